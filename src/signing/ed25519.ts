import * as noble from '@noble/ed25519'
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'

/**
 * Ed25519 in its two forms. The server signs through OpenSSL: the secret stays inside a KeyObject, and it is eight times
 * as fast. The anchor is verified through @noble/ed25519, once a start, as strictly as RFC 8032 asks for. Both give the
 * same signatures (they are deterministic); a test holds them against each other.
 */
noble.hashes.sha512 = (message) => Uint8Array.from(createHash('sha512').update(message).digest())

/** Bytes of a seed, and of a public key. */
export const SEED_BYTES = 32
export const PUBLIC_KEY_BYTES = 32
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** PKCS#8 DER of a seed (RFC 8410). */
export function pkcs8OfSeed(seed: Uint8Array): Buffer {
  if (seed.length !== SEED_BYTES) throw new RangeError(`an ed25519 seed has ${SEED_BYTES} bytes`)
  return Buffer.concat([PKCS8_PREFIX, seed])
}

export function privateKeyOfSeed(seed: Uint8Array): KeyObject {
  const der = pkcs8OfSeed(seed)
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

export const nobleEd25519 = {
  publicKey: (seed: Uint8Array): Uint8Array => noble.getPublicKey(seed),
  sign: (seed: Uint8Array, message: Uint8Array): Uint8Array => noble.sign(message, seed),
  verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    noble.verify(signature, message, publicKey),
}
