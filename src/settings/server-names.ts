import { isIP } from 'node:net'
import type { Settings } from './schema.ts'

/** True for an address that stands for all addresses of a machine; clients cannot connect to it. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/**
 * Returns the names and addresses by which clients may reach the server, as far as the settings tell, as certificates
 * hold them.
 */
export function serverNames({ listen, admin, tls }: Pick<Settings, 'listen' | 'admin' | 'tls'>): string[] {
  const hosts = [listen.host, ...(admin.listen === undefined ? [] : [admin.listen.host])]
  return [...new Set([...hosts.filter((host) => !isEverywhere(host)), ...tls.names].map(inCertificate))]
}

/**
 * Returns a host as clients look for it in a certificate: ASCII in lower case, without a trailing dot; an address in
 * its one canonical form, without a zone.
 */
function inCertificate(host: string): string {
  const authority = isIP(host) === 6 ? `[${host.replace(/%.*/, '')}]` : host
  const name = URL.parse(`https://${authority}`)?.hostname ?? host
  return name.replace(/^\[|\]$|\.$/g, '')
}
