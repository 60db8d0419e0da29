import { homedir } from 'node:os'
import { join } from 'node:path'
import { dockerCredentials, type Credentials } from '../registry/credentials.ts'

/**
 * Returns a function that reads what `docker login` has stored on this machine for a registry.
 *
 * @param account the registry's name in docker's configuration
 */
export function dockerLogin(account: string): () => Promise<Credentials | undefined> {
  const { DOCKER_CONFIG: directory, DOCKER_AUTH_CONFIG: environment } = process.env
  return () => dockerCredentials(directory || join(homedir(), '.docker'), account, environment)
}
