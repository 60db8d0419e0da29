import { verify, type KeyObject } from 'node:crypto'
import { RSA_MIN_BITS } from '../tuf/keys/verification-key.ts'

/** A key that verifies tokens, with the one algorithm that it may be used with. */
export interface PublicTokenKey {
  readonly key: KeyObject
  readonly algorithm: string
}

/** The accepted algorithms of tokens, and the hash of each (RFC 7518 §3.1, RFC 8037 §3.1). */
const HASHES: Readonly<Record<string, string | null>> = {
  RS256: 'sha256',
  RS384: 'sha384',
  RS512: 'sha512',
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  EdDSA: null,
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512']

/** True if the key signed this text with its algorithm: RSA with PKCS #1 v1.5, ECDSA with two numbers of fixed length. */
export function isSignedBy({ key, algorithm }: PublicTokenKey, text: string, signature: Uint8Array): boolean {
  const hash = HASHES[algorithm]
  if (hash === undefined) return false
  // Passing options costs as much as an RSA verification itself.
  const asked = key.asymmetricKeyType === 'ec' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key
  return verify(hash, Buffer.from(text), asked, signature)
}

/** Returns a key once for each algorithm that it may be used with; each EC curve has exactly one. */
export function algorithmsOf(key: KeyObject | undefined): PublicTokenKey[] {
  if (key?.asymmetricKeyType === 'ed25519') return [{ key, algorithm: 'EdDSA' }]
  const { namedCurve = '', modulusLength = 0 } = key?.asymmetricKeyDetails ?? {}
  if (key?.asymmetricKeyType === 'rsa' && modulusLength >= RSA_MIN_BITS) {
    return RSA_ALGORITHMS.map((algorithm) => ({ key, algorithm }))
  }
  const algorithm = key?.asymmetricKeyType === 'ec' ? CURVES[namedCurve] : undefined
  return key === undefined || algorithm === undefined ? [] : [{ key, algorithm }]
}
