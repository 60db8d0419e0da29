import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { keyId } from '../tuf/keys/key.ts'
import { privateKeyOf } from './ed25519.ts'
import { deriveKey, newDerivation, PASSPHRASE_MIN_LENGTH, type PassphraseDerivation } from './key-encryption.ts'
import { seal, unseal } from './seal.ts'

/** A root key under a passphrase of its own, which the server never sees. */
export interface SealedRootKey {
  readonly derivation: PassphraseDerivation
  /** Standard base64. */
  readonly sealed: string
}

/** A new root key: P-256, since clients demand a certificate, and know no ed25519 in one. */
export function makeRootKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** Its SubjectPublicKeyInfo in base64. @throws TrustError BAD_KEYS if it is no P-256 key */
export function rootPublicKey(key: KeyObject): string {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TrustError('BAD_KEYS', 'a root key must be a P-256 key')
  }
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64')
}

/** The id that people name it by: that of the bare key, not of a certificate (wire spec §11.2). */
export function rootKeyId(publicKey: string): string {
  return keyId({ keytype: 'ecdsa', public: publicKey })
}

/** @throws TrustError BAD_KEYS for a new passphrase that is too short */
export function mustBeLong(passphrase: string): void {
  if (passphrase.length >= PASSPHRASE_MIN_LENGTH) return
  throw new TrustError('BAD_KEYS', `the passphrase must have at least ${PASSPHRASE_MIN_LENGTH} characters`)
}

/** @throws TrustError BAD_KEYS if the passphrase is too short */
export function sealRootKey(key: KeyObject, passphrase: string): SealedRootKey {
  mustBeLong(passphrase)
  const derivation = newDerivation('passphrase')
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' })
  const sealed = seal(deriveKey(Buffer.from(passphrase), derivation), about(rootPublicKey(key)), pkcs8)
  pkcs8.fill(0)
  return { derivation, sealed: sealed.toString('base64') }
}

/** @param name as people call it @throws TrustError BAD_KEYS if the passphrase is not the one */
export function openRootKey(
  name: string,
  { derivation, sealed }: SealedRootKey,
  publicKey: string,
  passphrase: string,
): KeyObject {
  const secret = deriveKey(Buffer.from(passphrase), derivation)
  const pkcs8 = unseal(secret, about(publicKey), Buffer.from(sealed, 'base64'))
  if (pkcs8 === undefined) throw new TrustError('BAD_KEYS', `the passphrase does not open the root key ${name}`)
  return privateKeyOf(pkcs8)
}

/** r ‖ s in base64, as metadata carries it. */
export function signAsRoot(key: KeyObject, message: Uint8Array): string {
  return sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }).toString('base64')
}

function about(publicKey: string): string[] {
  return ['countersign root key', '1', rootKeyId(publicKey)]
}
