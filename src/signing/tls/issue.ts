import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { x509Library } from '../x509-library.ts'

/** PEM texts, as Node's TLS expects them. */
export interface TlsIdentity {
  /** The server's certificate, then intermediate ones. */
  readonly cert: string
  readonly key: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
const CA_DAYS = 3650
/** Apple's clients refuse longer ones. */
const SERVER_DAYS = 825

/** Makes a CA certificate with its key. @param now milliseconds since 1970 */
export async function makeCa(now: number): Promise<TlsIdentity> {
  const x509 = await x509Library()
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`Countersign CA ${hostname()}`] }],
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + CA_DAYS * DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: pemOf(keys.privateKey) }
}

/** Reads a CA's key. @param text PEM @throws Error if it is damaged, or not a P-256 key */
export async function caSigningKey(text: string): Promise<webcrypto.CryptoKey> {
  return createPrivateKey(text).toCryptoKey(ALGORITHM, false, ['sign'])
}

/**
 * Makes a server certificate for localhost and this host's name, with its key.
 *
 * @param signingKey of the CA
 * @param hosts further names and addresses for the certificate
 * @param now milliseconds since 1970
 */
export async function makeServer(
  caText: string,
  signingKey: webcrypto.CryptoKey,
  hosts: readonly string[],
  now: number,
): Promise<TlsIdentity> {
  const x509 = await x509Library()
  const ca = new x509.X509Certificate(caText)
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = [...new Set(['localhost', hostname(), '127.0.0.1', '::1', ...hosts])].map((value) => {
    return { type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }
  })
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: ['localhost'] }],
    issuer: ca.subjectName,
    notBefore: new Date(now - DAY),
    notAfter: new Date(Math.min(now + SERVER_DAYS * DAY, ca.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  // Without the CA's: clients have it, and every handshake would send it.
  return { cert: `${certificate.toString('pem')}\n`, key: pemOf(keys.privateKey) }
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ format: 'pem', type: 'pkcs8' }).toString()
}
