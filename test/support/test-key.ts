import { constants, createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { canonicalJson } from './canonical-json.ts'
import { issueCertificate, type CertificateWish } from './certificate.ts'

/** A key as metadata carries it. */
export interface KeyEntry {
  keytype: string
  keyval: { private: null; public: string }
}

/** A key that a publisher holds. */
export interface TestKey {
  readonly id: string
  readonly entry: KeyEntry
  /** The signature method that Go clients write for it. */
  readonly method: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  sign(message: Uint8Array): Buffer
}

export type TestKeyType = 'ecdsa' | 'ed25519' | 'rsa'

/** Returns the lower-case hex SHA-256 of the key's canonical JSON (wire spec §11.2). */
export function keyIdOf(entry: KeyEntry): string {
  return createHash('sha256')
    .update(canonicalJson({ keytype: entry.keytype, keyval: { private: null, public: entry.keyval.public } }))
    .digest('hex')
}

/** Makes a key; by default, P-256 for ecdsa, 2048 bits for rsa. */
export function makeKey(type: TestKeyType, options: { curve?: string; bits?: number } = {}): TestKey {
  const pair =
    type === 'ecdsa'
      ? generateKeyPairSync('ec', { namedCurve: options.curve ?? 'P-256' })
      : type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: options.bits ?? 2048 })
        : generateKeyPairSync('ed25519')
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' })
  // The last 32 bytes of an ed25519 SubjectPublicKeyInfo are the raw key.
  return keyOf(type, type === 'ed25519' ? spki.subarray(-32) : spki, pair)
}

/** Makes a root key: a P-256 (or RSA) key in a self-signed certificate whose common name is the GUN. */
export function makeRootKey(
  gun: string,
  now: number,
  options: Partial<CertificateWish> & { key?: TestKey; intermediates?: readonly string[] } = {},
): TestKey {
  const key = options.key ?? makeKey('ecdsa')
  const certificate = issueCertificate({
    commonName: gun,
    publicKey: key.publicKey,
    signer: key.privateKey,
    notBefore: now - 60_000,
    notAfter: now + 10 * 365 * 86_400_000,
    ...options,
  })
  return certifiedKey(key, [certificate, ...(options.intermediates ?? [])].join(''))
}

/** Returns the same key pair, published as this PEM text. */
export function certifiedKey(key: TestKey, pem: string): TestKey {
  const type = key.privateKey.asymmetricKeyType === 'rsa' ? 'rsa-x509' : 'ecdsa-x509'
  return keyOf(type, Buffer.from(pem), key)
}

function keyOf(
  keytype: string,
  bytes: Uint8Array,
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
): TestKey {
  const entry: KeyEntry = { keytype, keyval: { private: null, public: Buffer.from(bytes).toString('base64') } }
  const method = { ec: 'ecdsa', rsa: 'rsapss', ed25519: 'eddsa' }[privateKey.asymmetricKeyType as 'ec']
  return {
    id: keyIdOf(entry),
    entry,
    method,
    publicKey,
    privateKey,
    sign: (message) => signWith(privateKey, method, message),
  }
}

/** Signs as a Go client does (wire spec §11.3), by any method that the key supports. */
export function signWith(key: KeyObject, method: string, message: Uint8Array): Buffer {
  if (method === 'ecdsa') return sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })
  if (method === 'eddsa') return sign(null, message, key)
  if (method === 'rsapkcs1v15') return sign('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING })
  return sign('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
}
