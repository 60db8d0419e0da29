import { argon2Sync, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'

/**
 * How a secret becomes the key-encryption key (KEK) that wraps the data keys. A passphrase is stretched; the 32 random
 * bytes of a key file need only a derivation.
 */
export type Derivation =
  | { readonly name: 'hkdf-sha256'; readonly salt: string }
  | {
      readonly name: 'argon2id'
      /** Standard base64. */
      readonly salt: string
      /** KiB. */
      readonly memory: number
      readonly passes: number
      readonly lanes: number
    }

/** The derivation for a passphrase. */
export type PassphraseDerivation = Extract<Derivation, { readonly name: 'argon2id' }>

/** For new keyrings, and the minimum for existing ones: RFC 9106's second recommendation. */
const MEMORY_KIB = 64 * 1024
const PASSES = 3
/** KiB times passes; about a second per GiB. */
const WORK_MAX = 16 * MEMORY_KIB * PASSES
const LANES_MAX = 16
const SALT_BYTES = 16
const KEK_BYTES = 32
/** Bytes of secret in a key file. */
export const KEY_FILE_SECRET_BYTES = 32
/** Characters. Shorter new passphrases are refused. */
export const PASSPHRASE_MIN_LENGTH = 8

/** Returns a derivation with a random salt and the strength of new keyrings. */
export function newDerivation(kind: 'passphrase'): PassphraseDerivation
export function newDerivation(kind: 'key-file' | 'passphrase'): Derivation
export function newDerivation(kind: 'key-file' | 'passphrase'): Derivation {
  const salt = randomBytes(SALT_BYTES).toString('base64')
  if (kind === 'key-file') return { name: 'hkdf-sha256', salt }
  return { name: 'argon2id', salt, memory: MEMORY_KIB, passes: PASSES, lanes: 1 }
}

/** True for parameters that are safe to pass to `deriveKey`: a damaged file could ask for all of the memory. */
export function isDerivation(value: Derivation | undefined): value is Derivation {
  if (typeof value?.salt !== 'string') return false
  if (value.name !== 'argon2id') return value.name === 'hkdf-sha256'
  const { memory, passes, lanes } = value
  return [memory, passes, lanes].every(Number.isInteger) && memory * passes <= WORK_MAX && lanes <= LANES_MAX
}

/** Derives the KEK from a secret. @throws TrustError BAD_KEYS if the stored parameters are below today's minimum */
export function deriveKey(secret: Uint8Array, derivation: Derivation): KeyObject {
  const salt = Buffer.from(derivation.salt, 'base64')
  if (salt.length < SALT_BYTES) throw weak()
  if (derivation.name === 'hkdf-sha256') {
    return secretKey(Buffer.from(hkdfSync('sha256', secret, salt, 'countersign key-encryption key', KEK_BYTES)))
  }
  const { memory, passes, lanes } = derivation
  if (derivation.name !== 'argon2id' || !(memory >= MEMORY_KIB) || !(passes >= PASSES) || !(lanes >= 1)) throw weak()
  return secretKey(
    argon2Sync('argon2id', { message: secret, nonce: salt, parallelism: lanes, tagLength: KEK_BYTES, memory, passes }),
  )
}

/** Makes a key of these bytes and zeroes them, so that they do not stay in JavaScript's memory. */
export function secretKey(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

function weak(): TrustError {
  return new TrustError('BAD_KEYS', 'the keyring names a key derivation that is too weak', {
    hint: 'the file keyring.json was changed; restore it from a backup',
  })
}
