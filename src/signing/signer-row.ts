import { createDecipheriv, createPrivateKey, pbkdf2Sync } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { pkcs8OfNotary, ROUNDS_MAX } from './ed25519-key-file.ts'

/** The initial value of RFC 3394. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6)
const TAG_BYTES = 16

/**
 * Opens the column `private` of a row in the database of Notary's signer: a JWE under a passphrase (wire spec §18.2).
 *
 * @param algorithm as given in the row
 * @returns PKCS#8 DER, to be zeroed by whoever takes it
 * @throws TrustError BAD_KEYS
 */
export function openSignerRow(jwe: string, algorithm: string, passphrase: string): Buffer {
  const secret = openJwe(jwe, passphrase)
  try {
    if (algorithm === 'ecdsa') {
      return createPrivateKey({ key: secret, format: 'der', type: 'sec1' }).export({ format: 'der', type: 'pkcs8' })
    }
    const ed25519 = algorithm === 'ed25519' ? pkcs8OfNotary(secret) : undefined
    if (ed25519 !== undefined) return ed25519
  } catch {
    // Told below.
  } finally {
    secret.fill(0)
  }
  throw new TrustError('BAD_KEYS', `it holds no key of type ${algorithm.slice(0, 20)}`)
}

function openJwe(jwe: string, passphrase: string): Buffer {
  const [header = '', ...parts] = jwe.trim().split('.')
  const [wrapped, iv, sealed, tag] = parts.map((part) => Buffer.from(part, 'base64url'))
  const { p2c, salt } = derivationOf(header)
  if (wrapped === undefined || iv === undefined || sealed === undefined || tag?.length !== TAG_BYTES) throw unreadable()
  try {
    const unwrap = createDecipheriv('id-aes128-wrap', pbkdf2Sync(passphrase, salt, p2c, 16, 'sha256'), KEY_WRAP_IV)
    const contentKey = Buffer.concat([unwrap.update(wrapped), unwrap.final()])
    const open = createDecipheriv('aes-256-gcm', contentKey, iv, { authTagLength: TAG_BYTES })
    open.setAAD(Buffer.from(header)).setAuthTag(tag)
    return Buffer.concat([open.update(sealed), open.final()])
  } catch (cause) {
    throw new TrustError('BAD_KEYS', 'the passphrase does not open it', { cause })
  }
}

function derivationOf(header: string): { p2c: number; salt: Buffer } {
  try {
    const { alg, enc, p2c, p2s } = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>
    const known = alg === 'PBES2-HS256+A128KW' && enc === 'A256GCM' && typeof p2s === 'string'
    if (known && typeof p2c === 'number' && Number.isInteger(p2c) && p2c > 0 && p2c <= ROUNDS_MAX) {
      return { p2c, salt: Buffer.concat([Buffer.from(`${alg}\0`), Buffer.from(p2s, 'base64url')]) }
    }
  } catch {
    // Told below.
  }
  throw unreadable()
}

function unreadable(): TrustError {
  return new TrustError('BAD_KEYS', "it is not a key of Notary's signer")
}
