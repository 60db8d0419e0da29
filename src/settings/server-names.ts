import type { Settings } from './schema.ts'
import { isHostName } from './values.ts'

/** True for what means all addresses of a machine, and is no name to connect to. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Names and addresses by which clients may reach the server, as far as settings say so and a certificate can be for them. */
export function serverNames({ listen, admin, tls }: Pick<Settings, 'listen' | 'admin' | 'tls'>): string[] {
  const hosts = [listen.host, ...(admin.listen === undefined ? [] : [admin.listen.host])]
  return [...new Set([...hosts.filter((host) => isHostName(host) && !isEverywhere(host)), ...tls.names])]
}
