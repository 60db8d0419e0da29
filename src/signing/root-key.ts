import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { keyId } from '../tuf/keys/key.ts'
import { privateKeyOf } from './ed25519.ts'
import { deriveKey, newDerivation, PASSPHRASE_MIN_LENGTH, type PassphraseDerivation } from './key-encryption.ts'
import { seal, unseal } from './seal.ts'

/** A root key sealed under a passphrase of its own, which the server never sees. */
export interface SealedRootKey {
  readonly derivation: PassphraseDerivation
  /** Standard base64. */
  readonly sealed: string
}

/** Makes a root key: P-256, since clients demand a certificate and do not support ed25519 in one. */
export function makeRootKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** Returns the SubjectPublicKeyInfo of a root key in base64. @throws TrustError BAD_KEYS if it is not a P-256 key */
export function rootPublicKey(key: KeyObject): string {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TrustError('BAD_KEYS', 'a root key here must be a P-256 key', {
      hint: 'one of another kind signs where it is: countersign root sign FILE --key KEYFILE',
    })
  }
  return spkiOf(key)
}

/**
 * Returns the id by which people name a root key of any kind that clients accept: owners may keep such a one elsewhere.
 *
 * @throws TrustError BAD_KEYS if it is of no such kind
 */
export function anyRootKeyId(key: KeyObject): string {
  if (key.asymmetricKeyType === 'ec') return rootKeyId(spkiOf(key))
  if (key.asymmetricKeyType === 'rsa') return keyId({ keytype: 'rsa', public: spkiOf(key) })
  throw new TrustError('BAD_KEYS', 'a root key must be an ECDSA or RSA key')
}

function spkiOf(key: KeyObject): string {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64')
}

/** Returns the id by which people name a root key: that of the bare key, not of a certificate (wire spec §11.2). */
export function rootKeyId(publicKey: string): string {
  return keyId({ keytype: 'ecdsa', public: publicKey })
}

/** Checks the length of a new passphrase. @throws TrustError BAD_KEYS if it is too short */
export function mustBeLongEnough(passphrase: string): void {
  if (passphrase.length >= PASSPHRASE_MIN_LENGTH) return
  throw new TrustError('BAD_KEYS', `the passphrase must have at least ${PASSPHRASE_MIN_LENGTH} characters`)
}

/** Seals a root key under a passphrase. @throws TrustError BAD_KEYS if the passphrase is too short */
export function sealRootKey(key: KeyObject, passphrase: string): SealedRootKey {
  mustBeLongEnough(passphrase)
  const derivation = newDerivation('passphrase')
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' })
  const sealed = seal(deriveKey(Buffer.from(passphrase), derivation), about(rootPublicKey(key)), pkcs8)
  pkcs8.fill(0)
  return { derivation, sealed: sealed.toString('base64') }
}

/** Opens a sealed root key. @param name its name for people @throws TrustError BAD_KEYS if the passphrase is wrong */
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

/** Signs with a root key, as clients do (wire spec §11.3). @returns a signature as in metadata, without the key's id */
export function signAsRoot(key: KeyObject, message: Uint8Array): { method: string; sig: string } {
  if (key.asymmetricKeyType === 'rsa') {
    const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    return { method: 'rsapss', sig: sign('sha256', message, options).toString('base64') }
  }
  return { method: 'ecdsa', sig: sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }).toString('base64') }
}

function about(publicKey: string): string[] {
  return ['countersign root key', '1', rootKeyId(publicKey)]
}
