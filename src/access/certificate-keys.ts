import { hash, X509Certificate } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { parseCertificate, parseCertificateBundle, type Certificate } from '../tuf/asn1/x509.ts'
import { WEAK_SIGNATURES } from '../tuf/keys/certificate.ts'
import { loadCertificateKey } from '../tuf/keys/verification-key.ts'
import { keyNamed, type KeySet } from './key-set.ts'
import { algorithmsOf, type PublicTokenKey } from './token-signature.ts'
import type { FindKey } from './web-token.ts'

/**
 * Returns the keys of a certificate bundle, as docker's registry and Notary configure it. A token either brings its
 * certificate chain (`x5c`), whose last certificate one in the bundle issued; or it names a key of the bundle by
 * libtrust id (`kid`).
 *
 * @throws TrustError BAD_SETTINGS
 */
export function certificateKeys(pem: Uint8Array, where: string): FindKey {
  const bundle = parseCertificateBundle(pem)
  if (bundle === undefined) {
    throw new TrustError('BAD_SETTINGS', `${where} must hold PEM certificates and nothing else`, {
      hint: 'certificates that Go could not read are refused, and so are CAs that constrain names or policies',
    })
  }
  const set: KeySet = new Map(bundle.map((certificate) => [libtrustId(certificate), keysOf(certificate)]))
  return ({ algorithm, kid, x5c }, now) => {
    if (x5c === undefined) return keyNamed(set, kid, algorithm)
    const leaf = leafOf(x5c, bundle, now)
    return leaf && keysOf(leaf).find((each) => each.algorithm === algorithm)
  }
}

function keysOf(certificate: Certificate): PublicTokenKey[] {
  return algorithmsOf(loadCertificateKey(certificate)?.object)
}

/** Returns the token's own certificate, if an unbroken, valid chain leads from it to the bundle. */
function leafOf(ders: readonly Buffer[], bundle: readonly Certificate[], now: number): Certificate | undefined {
  const chain = ders.flatMap((der) => parseCertificate(der) ?? [])
  if (chain.length < ders.length) return undefined
  for (const [index, certificate] of chain.entries()) {
    if (!isValid(certificate, now)) return undefined
    const known = bundle.some((each) => each.der.equals(certificate.der))
    if (known || bundle.some((issuer) => isValid(issuer, now) && issued(issuer, certificate))) return chain[0]
    const next = chain[index + 1]
    if (next === undefined || !issued(next, certificate)) return undefined
  }
  return undefined
}

function issued(issuer: Certificate, certificate: Certificate): boolean {
  const [above, below] = [new X509Certificate(issuer.der), new X509Certificate(certificate.der)]
  return issuer.isCa && below.checkIssued(above) && below.verify(above.publicKey)
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
