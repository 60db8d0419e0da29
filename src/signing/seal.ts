import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto'

/**
 * AES-256-GCM with a random 96-bit nonce, the full 16-byte tag, and additional data that must be the same for
 * unsealing. Sealed form: nonce ‖ tag ‖ ciphertext.
 */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Seals a secret. @param about what the secret belongs to; encoded as JSON, so no two lists give the same bytes */
export function seal(key: KeyObject, about: readonly (string | number)[], secret: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(JSON.stringify(about)))
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** @returns the secret, to be zeroed after use; undefined if the key, `about` or a single bit differs */
export function unseal(key: KeyObject, about: readonly (string | number)[], sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(JSON.stringify(about)))
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const secret = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES))
  try {
    decipher.final()
    return secret
  } catch {
    secret.fill(0)
    return undefined
  }
}
