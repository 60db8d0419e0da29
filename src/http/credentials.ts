import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Access } from '../access/access.ts'
import type { Identity } from '../access/permission.ts'
import { parseCertificate } from '../tuf/asn1/x509.ts'

/** The content of a request's Authorization header. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'unreadable' }

const NONE: Credentials = { kind: 'none' }
const UNREADABLE: Credentials = { kind: 'unreadable' }

/** Reads the Authorization header: a single one, of a known scheme, not longer than allowed. */
export function credentialsOf(request: IncomingMessage, maxBytes: number): Credentials {
  const [header, ...more] = request.headersDistinct['authorization'] ?? []
  return more.length > 0 ? UNREADABLE : credentialsIn(header, maxBytes)
}

/** Does the same for the header's value alone. */
export function credentialsIn(header: string | undefined, maxBytes: number): Credentials {
  if (header === undefined) return NONE
  if (header.length > maxBytes) return UNREADABLE
  // Parse like Go: scheme, one blank, one word. Anything but Bearer and Basic counts as no credentials.
  const [scheme = '', value, ...rest] = header.split(' ')
  if (value === undefined || rest.length > 0) return NONE
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token: value }
  return scheme.toLowerCase() === 'basic' ? basicOf(value) : NONE
}

function basicOf(value: string): Credentials {
  const bytes = Buffer.from(value, 'base64')
  const colon = bytes.indexOf(':')
  if (bytes.toString('base64') !== value || colon < 0 || !isUtf8(bytes)) return UNREADABLE
  return { kind: 'basic', user: bytes.toString('utf8', 0, colon), password: bytes.toString('utf8', colon + 1) }
}

/** True for a connection whose client has shown a certificate that TLS verified. */
export function hasCertificate(socket: Socket): socket is TLSSocket {
  return socket instanceof TLSSocket && socket.authorized
}

/**
 * Returns the identity of a client certificate that TLS verified against `access.clientCertificates.caFile`.
 *
 * @param now milliseconds since 1970: a resumed session may have outlived its certificate
 * @returns undefined also for requests with an Authorization header, which says who the client wants to be, and for requests
 *   from pages in browsers (`Origin`), to which the browser adds the certificate unasked
 */
export function ofCertificate({ socket, headers }: IncomingMessage, access: Access, now: number): Identity | undefined {
  if (!hasCertificate(socket) || headers.origin !== undefined || headers.authorization !== undefined) return undefined
  // Not getPeerCertificate(): it ends the process on certificates whose key it cannot represent.
  const der = socket.getPeerX509Certificate()?.raw
  const certificate = der && parseCertificate(der)
  if (certificate?.commonName === undefined || now < certificate.begins || certificate.ends < now) return undefined
  return access.certificate(certificate.commonName)
}
