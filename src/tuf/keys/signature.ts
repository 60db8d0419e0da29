import { constants, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'
import { Memo } from '../../memory/memo.ts'
import { memoized } from '../../memory/memoized.ts'
import { derSignature } from '../asn1/signature-form.ts'
import { keyId, type PublicKey } from './key.ts'
import { loadKey, madeKey, type VerificationKey } from './verification-key.ts'

/** The methods that fit each key type. The key determines how to verify; the method must agree (wire spec §11.3). */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  ecdsa: ['ecdsa'],
  'ecdsa-x509': ['ecdsa'],
  rsa: ['rsapss', 'rsapkcs1v15', 'pycrypto-pkcs#1 pss'],
  'rsa-x509': ['rsapss', 'rsapkcs1v15'],
  ed25519: ['eddsa'],
}
/** The method whose RSA keys are PEM. */
const PYCRYPTO = 'pycrypto-pkcs#1 pss'
const PSS_SALT_BYTES = 32

/**
 * Verifies one signature as Notary's clients do (wire spec §11.3).
 *
 * False for a bad signature, a method that does not fit the key's type, a signature of the wrong length, and a key that
 * is malformed or too short. Unexpected errors of the crypto library are thrown: a crash never counts as a bad signature.
 *
 * @param method lower case; any other spelling never verifies
 */
export function verifySignature(key: PublicKey, method: string, sig: Uint8Array, message: Uint8Array): boolean {
  const loaded = fittingKey(key, method, sig)
  if (loaded === undefined) return false
  const done = verified.get(sig)
  if (done?.key === loaded && done.method === method && done.message === message) return done.verifies
  return verify(...verification(loaded, method, sig, message))
}

/**
 * Verifies a signature in the thread pool ahead of time, so that a later `verifySignature` of the same objects finds the
 * result. Without a result, that verifies as usual.
 */
export async function verifyAhead(key: PublicKey, method: string, sig: Uint8Array, message: Uint8Array): Promise<void> {
  const loaded = fittingKey(key, method, sig)
  if (loaded === undefined) return
  await new Promise<void>((resolve) => {
    verify(...verification(loaded, method, sig, message), (error, verifies) => {
      if (error === null) verified.set(sig, { key: loaded, method, message, verifies })
      resolve()
    })
  })
}

/** Results of `verifyAhead`, by the signature's bytes: they live as long as the document that has these. */
const verified = new WeakMap<
  Uint8Array,
  { readonly key: VerificationKey; readonly method: string; readonly message: Uint8Array; readonly verifies: boolean }
>()

/** Loads the key. @returns undefined if no such signature can verify */
function fittingKey(key: PublicKey, method: string, sig: Uint8Array): VerificationKey | undefined {
  if (!Object.hasOwn(METHODS, key.keytype) || METHODS[key.keytype]?.includes(method) !== true) return undefined
  const loaded = method === PYCRYPTO ? pemKey(key) : plainKey(key)
  return sig.length === loaded?.signatureLength ? loaded : undefined
}

/** Returns the arguments for `crypto.verify`. */
function verification(
  { keytype, object }: VerificationKey,
  method: string,
  sig: Uint8Array,
  message: Uint8Array,
): [string | null, Uint8Array, KeyObject | VerifyKeyObjectInput, Uint8Array] {
  if (keytype === 'ed25519') return [null, message, object, sig]
  // Node can convert r ‖ s itself, but reading `{ key, dsaEncoding }` makes that a third slower.
  if (keytype === 'ecdsa') return ['sha256', message, object, derSignature(sig)]
  if (method === 'rsapkcs1v15') return ['sha256', message, object, sig]
  return ['sha256', message, { key: object, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: PSS_SALT_BYTES }, sig]
}

/** True if some signature could verify with this key; false if it is malformed, too short or of unknown type. */
export function canVerify(key: PublicKey): boolean {
  return anyForm(key) !== undefined
}

/**
 * Returns an id of the key pair behind a public key, the same for all its forms: bare, certificate, PEM. Serves to count
 * signers; for a key that cannot verify anything it is the key id.
 */
export function keyPairId(key: PublicKey): string {
  return anyForm(key)?.pairId ?? keyId(key)
}

/**
 * Caches the public key of a pair made here, since the root that names it is about to arrive.
 *
 * @param object the public key
 * @param spki its SubjectPublicKeyInfo
 */
export function keepMadeKey(key: PublicKey, object: KeyObject, spki: Buffer): void {
  keys.get(nameOf(key, false), () => madeKey(object, spki))
}

/** Cache of loaded keys, by type, form and content. Malformed ones are not cached. */
const keys = new Memo<VerificationKey | undefined>(1_000)

const plainKey = memoized((key: PublicKey) => keys.get(nameOf(key, false), () => loadKey(key, false)))
const pemKey = memoized((key: PublicKey) => keys.get(nameOf(key, true), () => loadKey(key, true)))

/** Only RSA keys have a second form. */
function anyForm(key: PublicKey): VerificationKey | undefined {
  return plainKey(key) ?? (key.keytype === 'rsa' ? pemKey(key) : undefined)
}

function nameOf(key: PublicKey, pem: boolean): string {
  return `${key.keytype} ${pem ? 'pem' : 'plain'} ${key.public}`
}
