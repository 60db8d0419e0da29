import { hash, X509Certificate } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { pemCertificates } from '../pem-certificates.ts'
import { parseCertificate, parseCertificateBundle, type Certificate } from '../tuf/asn1/x509.ts'
import { WEAK_SIGNATURES } from '../tuf/keys/certificate.ts'
import { loadCertificateKey } from '../tuf/keys/verification-key.ts'
import { keyNamed, type KeySet } from './key-set.ts'
import { algorithmsOf, type PublicTokenKey } from './token-signature.ts'
import type { FindKey } from './web-token.ts'

/**
 * Returns the keys of a certificate bundle, as docker's registry and Notary configure it. A token either brings its
 * certificate chain (`x5c`), whose last certificate one in the bundle issued; or it names a key of the bundle (`kid`): by
 * libtrust id, as Notary and registries before version 3 know it, or by thumbprint, as later ones do.
 *
 * @param pem as in Go, text around the certificates is skipped
 * @throws TrustError BAD_SETTINGS
 */
export function certificateKeys(pem: Uint8Array, where: string): FindKey {
  const certificates = bundleIn(pem, where)
  const bundle = certificates.map(linkOf)
  const set: KeySet = new Map(
    certificates.flatMap((each) => [libtrustId(each), thumbprint(each)].map((id) => [id, keysOf(each)] as const)),
  )
  return ({ algorithm, kid, x5c }, now) => {
    if (x5c === undefined) return keyNamed(set, kid, algorithm)
    const leaf = leafOf(x5c, bundle, now)
    return leaf && keysOf(leaf).find((each) => each.algorithm === algorithm)
  }
}

function bundleIn(pem: Uint8Array, where: string): Certificate[] {
  const texts = pemCertificates(Buffer.from(pem).toString('latin1'))
  if (texts.length === 0) throw new TrustError('BAD_SETTINGS', `${where} holds no PEM certificate`)
  return texts.flatMap((text, index) => {
    const certificate = parseCertificateBundle(Buffer.from(text, 'latin1'))
    if (certificate !== undefined) return certificate
    throw new TrustError('BAD_SETTINGS', `certificate ${index + 1} of ${where} cannot be used`, {
      hint: 'certificates that Go could not read are refused, and so are CAs that constrain names or policies',
    })
  })
}

function keysOf(certificate: Certificate): PublicTokenKey[] {
  const { key } = certificate
  return algorithmsOf(key.asymmetricKeyType === 'ed25519' ? key : loadCertificateKey(certificate)?.object)
}

/** A certificate of a chain, parsed once: anybody can send a chain, and each of its certificates is held against many. */
interface Link {
  readonly certificate: Certificate
  readonly x509: X509Certificate
}

function linkOf(certificate: Certificate): Link {
  return { certificate, x509: new X509Certificate(certificate.der) }
}

/** Returns the token's own certificate, if an unbroken, valid chain leads from it to the bundle. */
function leafOf(ders: readonly Buffer[], bundle: readonly Link[], now: number): Certificate | undefined {
  const chain = ders.flatMap((der) => parseCertificate(der) ?? []).map(linkOf)
  if (chain.length < ders.length) return undefined
  for (const [index, link] of chain.entries()) {
    if (!isValid(link.certificate, now)) return undefined
    const known = bundle.some(({ certificate }) => certificate.der.equals(link.certificate.der))
    if (known || bundle.some((issuer) => isValid(issuer.certificate, now) && issued(issuer, link))) {
      return chain[0]?.certificate
    }
    const next = chain[index + 1]
    if (next === undefined || !issued(next, link)) return undefined
  }
  return undefined
}

function issued(issuer: Link, { x509 }: Link): boolean {
  return issuer.certificate.isCa && x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey)
}

function isValid({ begins, ends, signatureAlgorithm = '' }: Certificate, now: number): boolean {
  return begins <= now && now <= ends && !WEAK_SIGNATURES.has(signatureAlgorithm)
}

/**
 * Returns a libtrust id: Base32 of the first 30 bytes of SHA-256 of the public key, groups of 4 joined by ":" (wire
 * spec §15.1).
 */
export function libtrustId({ spki }: Pick<Certificate, 'spki'>): string {
  const bits = [...hash('sha256', spki, 'buffer').subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const letters = (bits.match(/.{5}/g) ?? []).map(
    (five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)],
  )
  return (letters.join('').match(/.{4}/g) ?? []).join(':')
}

/** Returns a JWK thumbprint (RFC 7638): SHA-256 of the key's required members in alphabetical order. */
function thumbprint({ key }: Certificate): string {
  const members = JSON.stringify(key.export({ format: 'jwk' }), ['crv', 'e', 'kty', 'n', 'x', 'y'])
  return hash('sha256', members, 'base64url')
}
