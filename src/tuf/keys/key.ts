import { hash } from 'node:crypto'
import { Memo } from '../../memory/memo.ts'
import { memoized } from '../../memory/memoized.ts'
import { certificatesOf } from '../asn1/x509.ts'
import { canonicalBytes } from '../json/canonical.ts'
import type { JsonObject } from '../json/json.ts'

/** A public key as written in metadata (wire spec §11.2). */
export interface PublicKey {
  readonly keytype: string
  /** Standard base64 of DER, a PEM text of certificates, or 32 raw bytes, depending on the type. */
  readonly public: string
}

/** Returns a key as documents carry it (wire spec §11.2). */
export function keyEntry({ keytype, public: text }: PublicKey): JsonObject {
  return { keytype, keyval: { private: null, public: text } }
}

const ids = new Memo<string>(2_000)

/**
 * Returns the id by which metadata names a key: lower-case hex SHA-256 of its canonical form, with `private` null (wire
 * spec §11.2). As in Go, the base64 is decoded and encoded again, so that all spellings of it give the same id.
 */
export const keyId = memoized((key: PublicKey): string => {
  return ids.get(`${key.keytype} ${key.public}`, () => {
    const bytes = Buffer.from(key.public, 'base64').toString('base64')
    return hash('sha256', canonicalBytes(keyEntry({ keytype: key.keytype, public: bytes })), 'hex')
  })
})

/**
 * Returns the id by which people and key files name a key: for a certificate the id of its bare key, otherwise the key
 * id itself (wire spec §11.2). A certificate that cannot be read keeps its key id.
 */
export function canonicalKeyId(key: PublicKey): string {
  if (key.keytype !== 'ecdsa-x509' && key.keytype !== 'rsa-x509') return keyId(key)
  const leaf = certificatesOf(key)?.[0]
  if (leaf === undefined) return keyId(key)
  return keyId({ keytype: key.keytype === 'ecdsa-x509' ? 'ecdsa' : 'rsa', public: leaf.spki.toString('base64') })
}
