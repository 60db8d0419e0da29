import { createHash } from 'node:crypto'
import * as noble from '@noble/ed25519'

noble.hashes.sha512 = (message) => Uint8Array.from(createHash('sha512').update(message).digest())

/** Another implementation of Ed25519, as strict as RFC 8032, to compare with OpenSSL. */
export const nobleEd25519 = {
  publicKey: (seed: Uint8Array): Uint8Array => noble.getPublicKey(seed),
  sign: (seed: Uint8Array, message: Uint8Array): Uint8Array => noble.sign(message, seed),
  verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    noble.verify(signature, message, publicKey),
}
