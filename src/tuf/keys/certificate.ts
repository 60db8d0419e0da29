import { memoized } from '../../memory/memoized.ts'
import { encodePem } from '../asn1/pem.ts'
import { certificatesOf, parseCertificateBundle, type Certificate } from '../asn1/x509.ts'
import type { Gun } from '../gun.ts'
import { keyId, type PublicKey } from './key.ts'
import { loadCertificateKey, RSA_MIN_BITS } from './verification-key.ts'

/** A root key as its readers rebuild it from its certificates. */
interface RootLeaf {
  readonly key: PublicKey
  readonly keyId: string
}

/** How far in the future a certificate's start may lie, in milliseconds, since clocks differ (wire spec §6.2 step 2). */
const BEGIN_LEEWAY = 24 * 60 * 60 * 1000

/** Signature algorithms that are refused: SHA-1 as in Go, and MD2, MD4 and MD5. */
export const WEAK_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.2', // md2WithRSA
  '1.2.840.113549.1.1.3', // md4WithRSA
  '1.2.840.113549.1.1.4', // md5WithRSA
  '1.2.840.113549.1.1.5', // sha1WithRSA
  '1.3.14.3.2.29', // sha1WithRSA, ISO
  '1.2.840.10040.4.3', // dsaWithSHA1
  '1.2.840.10045.4.1', // ecdsaWithSHA1
])

/**
 * Rebuilds a root key from its certificates, as every reader does (wire spec §6.2 steps 2 and 5): the leaf must come
 * first, be the only certificate that is not a CA, name the GUN and be sound; the sound intermediates follow. If the
 * original was written in any other way, the rebuilt key has another id, and its signatures do not count.
 *
 * @param now milliseconds since 1970; undefined for certificates of the previous root, which may have expired (step 3)
 * @returns undefined if there is no such leaf: the key is ignored
 */
export function rootLeaf(key: PublicKey, gun: Gun, now: number | undefined): RootLeaf | undefined {
  const [leaf, ...intermediates] = certificatesOf(key) ?? []
  if (leaf === undefined || leaf.isCa || !intermediates.every(({ isCa }) => isCa)) return undefined
  if (!matchesGun(leaf.commonName ?? '', gun) || !isSound(leaf, now)) return undefined
  const keytype = loadCertificateKey(leaf)?.keytype
  if (keytype === undefined) return undefined
  // Go checks the intermediates of the new root only, and keeps those of the previous root as they are.
  const kept = now === undefined ? intermediates : intermediates.filter((each) => isSound(each, now))
  return kept.length === intermediates.length ? wholeLeaf(key, keytype) : rebuild(keytype, [leaf, ...kept])
}

/** Rebuilds a key from all its certificates: the usual case, memoized because every publish repeats it. */
const wholeLeaf = memoized((key: PublicKey, keytype: string) => rebuild(keytype, certificatesOf(key) ?? []))

function rebuild(keytype: string, certificates: readonly Certificate[]): RootLeaf {
  const pem = encodePem(certificates.map(({ der }) => ({ label: 'CERTIFICATE', bytes: der })))
  const rebuilt = { keytype: `${keytype}-x509`, public: pem.toString('base64') }
  return { key: rebuilt, keyId: keyId(rebuilt) }
}

/**
 * True for a certificate key that may sign for a delegation: not signed with SHA-1, and RSA of at least 2048 bits; it may
 * have expired (wire spec §6.4). Clients refuse the whole role otherwise. Also true for keys without a certificate.
 */
export function isSoundDelegationKey(key: PublicKey): boolean {
  if (!key.keytype.endsWith('-x509')) return true
  const leaf = certificatesOf(key)?.[0]
  return leaf !== undefined && isSound(leaf, undefined)
}

/**
 * Returns when a certificate key expires, in milliseconds since 1970: the earliest end in its bundle, since a key without
 * one of these certificates has another id. Undefined for other keys.
 *
 * Runs over all repositories in turn, so it bypasses the certificate cache: it would evict what publishers need. Memoized
 * by key object, since one document may name the same key in a hundred thousand delegations.
 */
export const certificateEnds = memoized((key: PublicKey): number | undefined => {
  const bundle = key.keytype.endsWith('-x509') ? parseCertificateBundle(Buffer.from(key.public, 'base64')) : undefined
  return bundle === undefined ? undefined : Math.min(...bundle.map(({ ends }) => ends))
})

/**
 * Returns from when on clients accept a certificate key, in milliseconds since 1970: all certificates of its bundle are
 * valid by then, give or take `BEGIN_LEEWAY`. Undefined for other keys.
 */
export function certificateBegins(key: PublicKey): number | undefined {
  const bundle = certificatesOf(key)
  return bundle && Math.max(...bundle.map(({ begins }) => begins)) - BEGIN_LEEWAY
}

/** True if a certificate with this common name may sign this repository's root: the GUN, or a prefix of it and `*`. */
export function matchesGun(name: string, gun: Gun): boolean {
  if (!name.endsWith('*')) return name === gun
  let end = name.length
  while (name[end - 1] === '*') end -= 1
  return gun.startsWith(name.slice(0, end))
}

/** True for a certificate that is not weakly signed, whose RSA key is not short, and that is valid at `now`, if given. */
function isSound(certificate: Certificate, now: number | undefined): boolean {
  const { begins, ends, key, signatureAlgorithm = '' } = certificate
  if (!(begins <= ends) || WEAK_SIGNATURES.has(signatureAlgorithm)) return false
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_MIN_BITS) return false
  return now === undefined || (begins <= now + BEGIN_LEEWAY && now <= ends)
}
