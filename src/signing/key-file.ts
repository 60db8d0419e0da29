import { createCipheriv, createPrivateKey, createPublicKey, pbkdf2Sync, randomBytes, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { encodeDer, INTEGER, OCTET_STRING, SEQUENCE } from '../tuf/asn1/der.ts'
import { decodePem, encodePem } from '../tuf/asn1/pem.ts'
import { parseSpki } from '../tuf/asn1/spki.ts'
import { isQuickToTry } from './derivation-work.ts'
import { readEd25519KeyFile } from './ed25519-key-file.ts'
import { mustBeLongEnough, rootKeyId, rootPublicKey } from './root-key.ts'

/** The parameters that Notary's clients write, and the only ones that all of them read (wire spec §18.4). */
const ROUNDS = 2048
const SALT_BYTES = 8
const KEY_BYTES = 32

const NULL = Buffer.from('0500', 'hex')
/** 1.2.840.113549.1.5.13, .12, 1.2.840.113549.2.7 and 2.16.840.1.101.3.4.1.42 */
const PBES2 = Buffer.from('06092a864886f70d01050d', 'hex')
const PBKDF2 = Buffer.from('06092a864886f70d01050c', 'hex')
const HMAC_SHA1 = Buffer.from('06082a864886f70d0207', 'hex')
const AES_256_CBC = Buffer.from('060960864801650304012a', 'hex')

/** Begins a key in any form that OpenSSL or a client of Notary writes. */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/
/** Every block of the file on which OpenSSL would try the passphrase. */
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]*)-----END/g

/** Reads which role and repository a key file names in its headers, which needs no passphrase. */
export function namesInKeyFile(pem: string): { role: string | undefined; gun: string | undefined } {
  const headers = headersOf(pem.split(/\r?\n/))
  return { role: headers.get('role'), gun: headers.get('gun') }
}

/**
 * Opens a key file of notary or docker: PKCS#8, plain or encrypted, with header lines that OpenSSL refuses (wire spec
 * §18.4).
 *
 * @returns PKCS#8 DER, to be zeroed by whoever takes it
 * @throws TrustError BAD_KEYS
 */
export function openKeyFile(pem: string, passphrase: string | undefined): Buffer {
  if (!PRIVATE_KEY.test(pem)) throw new TrustError('BAD_KEYS', 'the key file holds no private key')
  const lines = pem.split(/\r?\n/)
  // The only header lines that OpenSSL knows are those of a legacy encrypted key.
  const legacy = headersOf(lines).has('DEK-Info')
  const bare = lines.filter((line) => (legacy ? !/^(role|gun|path): /.test(line) : !/^\w+: /.test(line) && line !== ''))
  const text = `${bare.join('\n').trimEnd()}\n`
  for (const [, base64 = ''] of text.matchAll(ENCRYPTED)) {
    if (isQuickToTry(Buffer.from(base64, 'base64'))) continue
    throw new TrustError(
      'BAD_KEYS',
      'the key file asks for so much work that trying its passphrase would take too long',
      {
        hint: 'encrypt it again where it comes from: openssl pkcs8 -topk8 -in OLD -out NEW',
      },
    )
  }
  try {
    const block = decodePem(Buffer.from(text))?.[0]
    const encrypted = block?.label === 'ENCRYPTED PRIVATE KEY'
    const ed25519 = block && readEd25519KeyFile(block.bytes, encrypted ? passphrase : undefined)
    if (ed25519 !== undefined) return ed25519
    const key = createPrivateKey(passphrase === undefined ? text : { key: text, passphrase })
    return inUsualForm(key).export({ format: 'der', type: 'pkcs8' })
  } catch (cause) {
    throw new TrustError('BAD_KEYS', 'the passphrase does not open the key file, or the file cannot be read', {
      cause,
    })
  }
}

/**
 * Writes a root key as a key file for notary and docker: PKCS#8 under PBES2, with headers that name path and role. Node
 * itself would use PBKDF2 with HMAC-SHA256, which these clients cannot read.
 *
 * @param key P-256
 * @param passphrase the one that the clients will ask for
 * @throws TrustError BAD_KEYS if the passphrase is too short; the clients refuse such a one for a new key, too
 */
export function encodeKeyFile(key: KeyObject, passphrase: string): string {
  mustBeLongEnough(passphrase)
  const salt = randomBytes(SALT_BYTES)
  const iv = randomBytes(16)
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' })
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(passphrase, salt, ROUNDS, KEY_BYTES, 'sha1'), iv)
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()])
  pkcs8.fill(0)
  const rounds = encodeDer(INTEGER, Buffer.of(ROUNDS >> 8, ROUNDS & 0xff))
  const derivation = encodeDer(
    SEQUENCE,
    PBKDF2,
    encodeDer(SEQUENCE, encodeDer(OCTET_STRING, salt), rounds, encodeDer(SEQUENCE, HMAC_SHA1, NULL)),
  )
  const scheme = encodeDer(SEQUENCE, derivation, encodeDer(SEQUENCE, AES_256_CBC, encodeDer(OCTET_STRING, iv)))
  const bytes = encodeDer(SEQUENCE, encodeDer(SEQUENCE, PBES2, scheme), encodeDer(OCTET_STRING, encrypted))
  const [first = '', ...rest] = encodePem([{ label: 'ENCRYPTED PRIVATE KEY', bytes }])
    .toString()
    .split('\n')
  // Clients refuse to import an encrypted key without `path`, which names the file in their store.
  return [first, `path: ${rootKeyId(rootPublicKey(key))}`, 'role: root', '', ...rest].join('\n')
}

/**
 * Converts a key to a named curve with an uncompressed point. OpenSSL keeps the form of the file and would write the
 * public key in it too: clients cannot read that, and its id would differ.
 */
function inUsualForm(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ec') return key
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return parseSpki(spki) === undefined ? createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }) : key
}

function headersOf(lines: readonly string[]): Map<string, string> {
  return new Map(lines.map((line) => line.split(': ', 2)).map(([name = '', value = '']) => [name, value]))
}
