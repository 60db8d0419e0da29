import { isIP } from 'node:net'
import type { Settings } from './schema.ts'

/** True for what means all addresses of a machine, and is no name to connect to. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Names and addresses by which clients may reach the server, as far as settings say so; as certificates hold them. */
export function serverNames({ listen, admin, tls }: Pick<Settings, 'listen' | 'admin' | 'tls'>): string[] {
  const hosts = [listen.host, ...(admin.listen === undefined ? [] : [admin.listen.host])]
  return [...new Set([...hosts.filter((host) => !isEverywhere(host)), ...tls.names].map(inCertificate))]
}

/** As clients look for it: in ASCII and lower case, without a dot at the end; an address in one form, without a zone. */
function inCertificate(host: string): string {
  const authority = isIP(host) === 6 ? `[${host.replace(/%.*/, '')}]` : host
  const name = URL.parse(`https://${authority}`)?.hostname ?? host
  return name.replace(/^\[|\]$|\.$/g, '')
}
