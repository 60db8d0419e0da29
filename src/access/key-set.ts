import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import type { Json, JsonObject } from '../tuf/json/json.ts'
import { parseJson } from '../tuf/json/parse.ts'
import { RSA_MIN_BITS } from '../tuf/keys/verification-key.ts'
import { algorithmsOf, type PublicTokenKey } from './token-signature.ts'
import type { FindKey } from './web-token.ts'

/** Keys of a JSON Web Key Set (RFC 7517), by key id. */
export type KeySet = ReadonlyMap<string, readonly PublicTokenKey[]>

/** Most keys in one set. */
const KEYS_MAX = 100

/**
 * Parses a key set. Leaves out keys without an id, and keys that are not for signatures.
 *
 * @throws TrustError BAD_SETTINGS if it is no key set, or holds no key that verifies tokens
 */
export function parseKeySet(bytes: Uint8Array, where: string): KeySet {
  const set = new Map<string, PublicTokenKey[]>()
  for (const entry of keysIn(bytes, where)) {
    const { kid, use = 'sig', alg } = entry
    if (typeof kid !== 'string' || use !== 'sig') continue
    const found = algorithmsOf(keyOf(entry)).filter(({ algorithm }) => alg === undefined || alg === algorithm)
    // Skip keys for another purpose, such as encryption, even if they have the same id.
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
    throw new TrustError('BAD_SETTINGS', `${where} is not a JSON Web Key Set`, { cause })
  }
  throw new TrustError('BAD_SETTINGS', `${where} is not a JSON Web Key Set`)
}

/** Reads public members only: a secret key (`oct`) has none, and would let whoever reads the set make tokens. */
function keyOf({ kty, n, e, crv, x, y }: JsonObject): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** Returns the keys of a set that does not change. @throws TrustError BAD_SETTINGS */
export function keySetKeys(bytes: Uint8Array, where: string): FindKey {
  const set = parseKeySet(bytes, where)
  return ({ algorithm, kid, x5c }) => (x5c === undefined ? keyNamed(set, kid, algorithm) : undefined)
}

/** Finds a key by the id that the token names. */
export function keyNamed(set: KeySet, kid: string | undefined, algorithm: string): PublicTokenKey | undefined {
  return kid === undefined ? undefined : set.get(kid)?.find((each) => each.algorithm === algorithm)
}
