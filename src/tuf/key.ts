import { createHash, X509Certificate } from 'node:crypto'
import { canonicalText } from './canonical.ts'

/** A public key as metadata carries it (wire spec §11.2). */
export interface PublicKey {
  /** `ecdsa`, `ecdsa-x509`, `rsa`, `rsa-x509`, `ed25519`; others are kept and never verify. */
  readonly keytype: string
  /** Standard base64; what is inside depends on the key type. */
  readonly public: string
}

const KNOWN = ['ecdsa', 'ecdsa-x509', 'rsa', 'rsa-x509', 'ed25519']

/** True for the key types that a signature can be verified with. */
export function isKnownKeyType(keytype: string): boolean {
  return KNOWN.includes(keytype)
}

/** Lower-case hex SHA-256 of the key's canonical JSON, in which `private` is always null (wire spec §11.2). */
export function keyId(key: PublicKey): string {
  const text = canonicalText({ keytype: key.keytype, keyval: { private: null, public: key.public } })
  return createHash('sha256').update(text).digest('hex')
}

/**
 * The id of the key pair itself, the same for a certificate and for the plain key in it: what key files, prompts and
 * `notary key list` show. A certificate that cannot be read is its own pair.
 */
export function canonicalKeyId(key: PublicKey): string {
  if (!key.keytype.endsWith('-x509')) return keyId(key)
  try {
    const certificate = new X509Certificate(Buffer.from(key.public, 'base64'))
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
    return keyId({ keytype: key.keytype.replace('-x509', ''), public: spki.toString('base64') })
  } catch {
    return keyId(key)
  }
}
