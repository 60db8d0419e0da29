import type { Settings } from './schema.ts'

/** Hosts that are all addresses of a machine, and the name of none. */
const ALL_ADDRESSES = ['0.0.0.0', '::']

/** Names and addresses by which clients may reach the server, as far as settings say so. */
export function serverNames({ listen, admin, tls }: Pick<Settings, 'listen' | 'admin' | 'tls'>): string[] {
  const hosts = [listen.host, ...(admin.listen === undefined ? [] : [admin.listen.host])]
  return [...new Set([...hosts.filter((host) => !ALL_ADDRESSES.includes(host)), ...tls.names])]
}
