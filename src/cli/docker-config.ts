import { homedir } from 'node:os'
import { join } from 'node:path'
import { dockerCredentials, type Credentials } from '../registry/credentials.ts'

/**
 * Returns a function that reads what `docker login` has stored on this machine for a registry.
 *
 * @param account the registry's name in docker's configuration
 */
export function dockerLogin(account: string): () => Promise<Credentials | undefined> {
  const { DOCKER_AUTH_CONFIG: environment } = process.env
  return () => dockerCredentials(dockerDirectory(), account, environment)
}

/**
 * Returns the directories where docker and its daemon, or a daemon without root's rights, expect certificates of
 * authorities for one server: the first for trust data, the others for images.
 *
 * @param host with the port, if there is one
 */
export function dockerAuthorities(host: string): string[] {
  const own = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config')
  return [join(dockerDirectory(), 'tls', host), join('/etc/docker/certs.d', host), join(own, 'docker/certs.d', host)]
}

function dockerDirectory(): string {
  return process.env['DOCKER_CONFIG'] || join(homedir(), '.docker')
}
