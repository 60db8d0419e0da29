import { homedir } from 'node:os'
import { join } from 'node:path'
import { dockerCredentials, type Credentials } from '../registry/credentials.ts'

/**
 * What `docker login` has left on this machine for a registry, once it is asked for.
 *
 * @param account as docker's configuration names the registry
 */
export function dockerLogin(account: string): () => Promise<Credentials | undefined> {
  const { DOCKER_CONFIG: directory, DOCKER_AUTH_CONFIG: environment } = process.env
  return () => dockerCredentials(directory || join(homedir(), '.docker'), account, environment)
}
