import { createDecipheriv, pbkdf2Sync } from 'node:crypto'
import { derChildren, derElement, derElements, OCTET_STRING, SEQUENCE } from '../tuf/asn1/der.ts'
import { pkcs8OfSeed } from './ed25519.ts'

/** 1.3.6.1.4.1.11591.15.1, which only Notary writes (wire spec §18.4). */
const ED25519 = Buffer.from('2b06010401da470f01', 'hex')
/** 2.16.840.1.101.3.4.1.42 */
const AES_256_CBC = Buffer.from('60864801650304012a', 'hex')
/** Bytes of a key in Notary's form: public ‖ seed ‖ public. */
const NOTARY_BYTES = 96
/** Rounds of PBKDF2. Notary uses 2048 and 8192; files with more than this would keep the machine busy. */
export const ROUNDS_MAX = 1_000_000

/**
 * Reads Notary's own PKCS#8 form of an ed25519 key, which OpenSSL does not know.
 *
 * @param der of the key, or of the encrypted key if there is a passphrase
 * @returns standard PKCS#8, to be zeroed by the caller; undefined if the file has another form or does not decrypt
 */
export function readEd25519KeyFile(der: Buffer, passphrase: string | undefined): Buffer | undefined {
  const plain = passphrase === undefined ? der : decrypted(der, passphrase)
  const [, algorithm, key] = derChildren(derElement(plain), SEQUENCE) ?? []
  const [name] = derChildren(algorithm, SEQUENCE) ?? []
  if (name?.content.equals(ED25519) !== true || key?.tag !== OCTET_STRING) return undefined
  return pkcs8OfNotary(key.content) ?? pkcs8OfNotary(derElements(key.content)?.[0]?.content)
}

/** Converts a key from Notary's form. @returns PKCS#8, to be zeroed by the caller; undefined for any other form */
export function pkcs8OfNotary(bytes: Buffer | undefined): Buffer | undefined {
  return bytes?.length === NOTARY_BYTES ? pkcs8OfSeed(bytes.subarray(32, 64)) : undefined
}

/** Decrypts PBES2 with PBKDF2-HMAC-SHA1 and AES-256-CBC, as Notary's clients encrypt. */
function decrypted(der: Buffer, passphrase: string): Buffer | undefined {
  const [scheme, sealed] = derChildren(derElement(der), SEQUENCE) ?? []
  const [, parameters] = derChildren(scheme, SEQUENCE) ?? []
  const [derivation, encryption] = derChildren(parameters, SEQUENCE) ?? []
  const [salt, rounds] = derChildren(derChildren(derivation, SEQUENCE)?.[1], SEQUENCE) ?? []
  const [cipher, iv] = derChildren(encryption, SEQUENCE) ?? []
  const count =
    rounds === undefined || rounds.content.length > 4 ? 0 : rounds.content.readUIntBE(0, rounds.content.length)
  if (salt === undefined || iv === undefined || sealed === undefined || cipher?.content.equals(AES_256_CBC) !== true)
    return undefined
  if (count < 1 || count > ROUNDS_MAX) return undefined
  try {
    const key = pbkdf2Sync(passphrase, salt.content, count, 32, 'sha1')
    const open = createDecipheriv('aes-256-cbc', key, iv.content)
    return Buffer.concat([open.update(sealed.content), open.final()])
  } catch {
    return undefined
  }
}
