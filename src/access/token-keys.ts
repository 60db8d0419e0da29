import { createPublicKey, hash, X509Certificate, type JsonWebKey, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { parseCertificate, parseCertificateBundle, type Certificate } from '../tuf/asn1/x509.ts'
import type { Json, JsonObject } from '../tuf/json/json.ts'
import { parseJson } from '../tuf/json/parse.ts'
import { WEAK_SIGNATURES } from '../tuf/keys/certificate.ts'
import { loadCertificateKey, RSA_MIN_BITS } from '../tuf/keys/verification-key.ts'
import type { PublicTokenKey } from './token-signature.ts'
import type { FindKey } from './web-token.ts'

/** Keys by their id, of a JSON Web Key Set (RFC 7517). */
export type KeySet = ReadonlyMap<string, readonly PublicTokenKey[]>

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512']
/** Keys of one set. */
const KEYS_MAX = 100

/**
 * Read a key set. Keys without id, and keys that are not for signatures, are left out.
 *
 * @throws TrustError BAD_SETTINGS if it is no key set, or holds no key that verifies tokens
 */
export function parseKeySet(bytes: Uint8Array, where: string): KeySet {
  const set = new Map<string, PublicTokenKey[]>()
  for (const entry of keysIn(bytes, where)) {
    const { kid, use = 'sig', alg } = entry
    if (typeof kid !== 'string' || use !== 'sig') continue
    const found = algorithmsOf(keyOf(entry)).filter(({ algorithm }) => alg === undefined || alg === algorithm)
    // Another one of this id that is for something else, for encryption say, is left out, too.
    if (found.length === 0) continue
    if (set.has(kid)) throw new TrustError('BAD_SETTINGS', `${where} names the key id "${kid}" twice`)
    set.set(kid, found)
  }
  if (set.size > 0) return set
  throw new TrustError('BAD_SETTINGS', `${where} holds no key that verifies tokens`, {
    hint: `it needs public keys (RSA of ${RSA_MIN_BITS} bits or more, P-256, P-384, P-521, Ed25519) with a "kid"`,
  })
}

function keysIn(bytes: Uint8Array, where: string): JsonObject[] {
  try {
    const { keys } = parseJson(bytes) as JsonObject
    if (Array.isArray(keys) && keys.length <= KEYS_MAX) {
      return (keys as readonly Json[]).filter((each): each is JsonObject => typeof each === 'object' && each !== null)
    }
  } catch (cause) {
    throw new TrustError('BAD_SETTINGS', `${where} is no JSON Web Key Set`, { cause })
  }
  throw new TrustError('BAD_SETTINGS', `${where} is no JSON Web Key Set`)
}

/** Public parts only: a secret key (`oct`) is none, and would let whoever reads the set make tokens. */
function keyOf({ kty, n, e, crv, x, y }: JsonObject): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** The algorithms that a key of this kind may be used with; ES256 and others for one kind each. */
function algorithmsOf(key: KeyObject | undefined): PublicTokenKey[] {
  if (key?.asymmetricKeyType === 'ed25519') return [{ key, algorithm: 'EdDSA' }]
  const { namedCurve = '', modulusLength = 0 } = key?.asymmetricKeyDetails ?? {}
  if (key?.asymmetricKeyType === 'rsa' && modulusLength >= RSA_MIN_BITS) {
    return RSA_ALGORITHMS.map((algorithm) => ({ key, algorithm }))
  }
  const algorithm = key?.asymmetricKeyType === 'ec' ? CURVES[namedCurve] : undefined
  return key === undefined || algorithm === undefined ? [] : [{ key, algorithm }]
}

/** Keys of a set that does not change. @throws TrustError BAD_SETTINGS */
export function keySetKeys(bytes: Uint8Array, where: string): FindKey {
  const set = parseKeySet(bytes, where)
  return ({ algorithm, kid, x5c }) => (x5c === undefined ? keyNamed(set, kid, algorithm) : undefined)
}

/** Find a key by the id that the token names. */
export function keyNamed(set: KeySet, kid: string | undefined, algorithm: string): PublicTokenKey | undefined {
  return kid === undefined ? undefined : set.get(kid)?.find((each) => each.algorithm === algorithm)
}

/**
 * Keys of a certificate bundle, as docker's registries and Notary are configured: a token brings its certificates along
 * (`x5c`), of which the last was issued by one in the bundle; or it names a key in the bundle by libtrust's id (`kid`).
 *
 * @throws TrustError BAD_SETTINGS
 */
export function certificateKeys(pem: Uint8Array, where: string): FindKey {
  const bundle = parseCertificateBundle(pem)
  if (bundle === undefined) {
    throw new TrustError('BAD_SETTINGS', `${where} must hold PEM certificates and nothing else`, {
      hint: 'certificates that Go could not read are not taken, nor authorities that constrain names or policies',
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

/** The token's own certificate, if an unbroken, valid chain leads from it to the bundle. */
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

/** Base32 of the first 30 bytes of SHA-256 of the public key, groups of 4 joined by ":" (wire spec §15.1). */
export function libtrustId({ spki }: Pick<Certificate, 'spki'>): string {
  const bits = [...hash('sha256', spki, 'buffer').subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const letters = (bits.match(/.{5}/g) ?? []).map(
    (five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)],
  )
  return (letters.join('').match(/.{4}/g) ?? []).join(':')
}
