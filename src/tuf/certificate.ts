import { X509Certificate } from 'node:crypto'
import type { Gun } from './gun.ts'
import { keyId, type PublicKey } from './key.ts'

/** Certificates in one key: a leaf and its intermediates. */
export const BUNDLE_MAX = 10
/** Bits. */
const RSA_MIN_BITS = 2048
const DAY = 86_400_000

/** A root key as readers rebuild it from its certificates. */
export interface RootLeaf {
  readonly key: PublicKey
  readonly keyId: string
}

const BLOCK = /-----BEGIN ([^\n-]+)-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n?-----END \1-----/g

/** The certificates of a PEM bundle, in order; undefined if anything in it is not a readable certificate. */
export function parseCertificateBundle(pem: Uint8Array): X509Certificate[] | undefined {
  const certificates: X509Certificate[] = []
  for (const [block, label] of Buffer.from(pem).toString('latin1').matchAll(BLOCK)) {
    if (label !== 'CERTIFICATE' || certificates.length === BUNDLE_MAX) return undefined
    try {
      certificates.push(new X509Certificate(block))
    } catch {
      return undefined
    }
  }
  return certificates.length === 0 ? undefined : certificates
}

/** Equal, or the certificate's name ends in `*` and the GUN starts with what stands before (wire spec §6.2). */
export function matchesGun(commonName: string, gun: Gun): boolean {
  if (!commonName.endsWith('*')) return commonName === gun
  return gun.startsWith(commonName.replace(/\*+$/, ''))
}

/**
 * Rebuild a root key from its certificates as every reader does (wire spec §6.2 steps 2 and 5): exactly one leaf, in
 * first place, for this GUN, valid, not signed with SHA-1, no short RSA; then the intermediates that are still valid.
 * The PEM is written anew, so a key whose own PEM is written differently comes out with another id.
 *
 * @param now milliseconds since 1970
 * @returns undefined if the key has no usable leaf
 */
export function rootLeaf(
  key: PublicKey,
  gun: Gun,
  now: number,
  options: { readonly checkExpiry: boolean },
): RootLeaf | undefined {
  const bundle = parseCertificateBundle(Buffer.from(key.public, 'base64'))
  const [leaf, ...rest] = bundle ?? []
  if (leaf === undefined || leaf.ca || rest.some((certificate) => !certificate.ca)) return undefined
  if (!matchesGun(commonNameOf(leaf), gun) || isWeak(leaf)) return undefined
  if (options.checkExpiry && !isValidAt(leaf, now)) return undefined
  const type = leaf.publicKey.asymmetricKeyType
  if (type !== 'ec' && type !== 'rsa') return undefined
  const keytype = type === 'ec' ? 'ecdsa-x509' : 'rsa-x509'
  const kept = rest.filter(
    (certificate) => !isWeak(certificate) && (!options.checkExpiry || isValidAt(certificate, now)),
  )
  const rebuilt = { keytype, public: Buffer.from([leaf, ...kept].map(pemOf).join('')).toString('base64') }
  return { key: rebuilt, keyId: keyId(rebuilt) }
}

/** End of the leaf certificate, milliseconds since 1970; undefined for a key without one. */
export function certificateEnds(key: PublicKey): number | undefined {
  if (!key.keytype.endsWith('-x509')) return undefined
  const leaf = parseCertificateBundle(Buffer.from(key.public, 'base64'))?.[0]
  return leaf === undefined ? undefined : leaf.validToDate.getTime()
}

/** The last CN of the subject, as Go reads it. */
function commonNameOf(certificate: X509Certificate): string {
  const name = certificate.toLegacyObject().subject.CN as string | string[] | undefined
  return (Array.isArray(name) ? name.at(-1) : name) ?? ''
}

function isWeak(certificate: X509Certificate): boolean {
  const key = certificate.publicKey
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_MIN_BITS) return true
  return /sha1|md5/i.test(certificate.signatureAlgorithm ?? '')
}

/** Clocks may differ: a certificate counts from a day before its start (wire spec §6.2). */
function isValidAt(certificate: X509Certificate, now: number): boolean {
  return now + DAY >= certificate.validFromDate.getTime() && now <= certificate.validToDate.getTime()
}

/** 64 columns and LF, as Go writes PEM. */
function pemOf(certificate: X509Certificate): string {
  const lines = certificate.raw.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
