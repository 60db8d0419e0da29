import { homedir } from 'node:os'
import { join } from 'node:path'
import { dockerCredentials, type Credentials } from '../registry/credentials.ts'

/**
 * What `docker login` has left on this machine for a registry, once it is asked for.
 *
 * @param account as docker's configuration names the registry
 */
export function dockerLogin(account: string): () => Promise<Credentials | undefined> {
  return () => dockerCredentials(process.env['DOCKER_CONFIG'] || join(homedir(), '.docker'), account)
}
