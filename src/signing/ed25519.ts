import { createPrivateKey, type KeyObject } from 'node:crypto'
import { KEY_BYTES, keptOutside } from '../memory/outside-heap.ts'
import { withoutStackTraces } from '../tuf/asn1/without-stack-traces.ts'

/**
 * Ed25519 by OpenSSL: the secret stays inside a KeyObject, and it is eight times as fast as @noble/ed25519, which also
 * takes 60 ms to prepare tables before its first signature. A test compares the two. OpenSSL accepts keys of small order;
 * `tuf/keys/verification-key.ts` refuses them with @noble/ed25519.
 */

/** Bytes of a seed. */
export const SEED_BYTES = 32
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Returns the PKCS#8 DER of a seed (RFC 8410). */
export function pkcs8OfSeed(seed: Uint8Array): Buffer {
  if (seed.length !== SEED_BYTES) throw new RangeError(`an ed25519 seed has ${SEED_BYTES} bytes`)
  return Buffer.concat([PKCS8_PREFIX, seed])
}

/** Returns the PKCS#8 DER of a private key, to be zeroed after use. For ed25519, OpenSSL's writer takes 8 times as long. */
export function pkcs8Of(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ed25519') return key.export({ format: 'der', type: 'pkcs8' })
  const seed = key.export({ format: 'raw-private' })
  const der = pkcs8OfSeed(seed)
  seed.fill(0)
  return der
}

/** Reads a private key. @param pkcs8 DER; zeroed here @throws Error from OpenSSL if it is not a private key */
export function privateKeyOf(pkcs8: Buffer): KeyObject {
  try {
    const read = (): KeyObject => createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    return keptOutside(withoutStackTraces(read), KEY_BYTES)
  } finally {
    pkcs8.fill(0)
  }
}

export function privateKeyOfSeed(seed: Uint8Array): KeyObject {
  return privateKeyOf(pkcs8OfSeed(seed))
}
