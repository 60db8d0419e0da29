import { createDecipheriv, createPrivateKey, pbkdf2Sync } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { decodePem } from '../tuf/pem.ts'
import { pkcs8OfNotary, readEd25519KeyFile, ROUNDS_MAX } from './ed25519-key-file.ts'

/** Whose key a client's key file says it holds. */
interface KeyFileNames {
  readonly role: string | undefined
  readonly gun: string | undefined
}

/** A key of a client's key file, and whose it says it is. */
interface KeyFile extends KeyFileNames {
  /** PKCS#8 DER, to be zeroed by whoever takes it. */
  readonly pkcs8: Buffer
}

/** RFC 3394. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6)
const TAG_BYTES = 16

/** What its header lines say: they can be read without the passphrase. */
export function namesInKeyFile(pem: string): KeyFileNames {
  const headers = headersOf(pem.split(/\r?\n/))
  return { role: headers.get('role'), gun: headers.get('gun') }
}

/**
 * Open a key file of notary or docker: PKCS#8, plain or encrypted, with header lines that OpenSSL refuses (wire spec
 * §18.4).
 *
 * @throws TrustError BAD_KEYS
 */
export function openKeyFile(pem: string, passphrase: string | undefined): KeyFile {
  const lines = pem.split(/\r?\n/)
  // Of the header lines OpenSSL knows only those of a legacy encrypted key.
  const legacy = headersOf(lines).has('DEK-Info')
  const bare = lines.filter((line) => (legacy ? !/^(role|gun|path): /.test(line) : !/^\w+: /.test(line) && line !== ''))
  const text = `${bare.join('\n').trimEnd()}\n`
  const names = namesInKeyFile(pem)
  try {
    const block = decodePem(Buffer.from(text))?.[0]
    const encrypted = block?.label === 'ENCRYPTED PRIVATE KEY'
    const ed25519 = block && readEd25519KeyFile(block.bytes, encrypted ? passphrase : undefined)
    if (ed25519 !== undefined) return { pkcs8: ed25519, ...names }
    const key = createPrivateKey(passphrase === undefined ? text : { key: text, passphrase })
    return { pkcs8: key.export({ format: 'der', type: 'pkcs8' }), ...names }
  } catch (cause) {
    throw new TrustError('BAD_KEYS', 'the passphrase does not open the key file, or it is none that can be read', {
      cause,
    })
  }
}

function headersOf(lines: readonly string[]): Map<string, string> {
  return new Map(lines.map((line) => line.split(': ', 2)).map(([name = '', value = '']) => [name, value]))
}

/**
 * Open the column `private` of a row of Notary's signer: a JWE under a passphrase (wire spec §18.2).
 *
 * @param algorithm as the row says
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
  return new TrustError('BAD_KEYS', "it is no key of Notary's signer")
}
