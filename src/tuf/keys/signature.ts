import { constants, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'
import { Memo } from '../../memory/memo.ts'
import { memoized } from '../../memory/memoized.ts'
import { derSignature } from '../asn1/signature-form.ts'
import { keyId, type PublicKey } from './key.ts'
import { loadKey, madeKey, type VerificationKey } from './verification-key.ts'

/** The methods that fit each key type; the key decides how to verify, the method may only agree (wire spec §11.3). */
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
 * Verify one signature as Notary's clients do (wire spec §11.3).
 *
 * False for a bad signature, a method that does not fit the key's type, a signature of the wrong length, and a key that
 * is malformed or too short. Anything unexpected from the cryptography throws: a crash is never "bad signature".
 *
 * @param method lower case; another spelling never verifies
 */
export function verifySignature(key: PublicKey, method: string, sig: Uint8Array, message: Uint8Array): boolean {
  const loaded = fittingKey(key, method, sig)
  if (loaded === undefined) return false
  const done = verified.get(sig)
  if (done?.key === loaded && done.method === method && done.message === message) return done.verifies
  return verify(...verification(loaded, method, sig, message))
}

/**
 * The same in the thread pool, for later: `verifySignature` of these very objects has the answer then, and is at
 * liberty to find it itself where there is none.
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

/** What was verified ahead, by the bytes of the signature: as long as the document lives that they came with. */
const verified = new WeakMap<
  Uint8Array,
  { readonly key: VerificationKey; readonly method: string; readonly message: Uint8Array; readonly verifies: boolean }
>()

/** @returns undefined where nothing can verify */
function fittingKey(key: PublicKey, method: string, sig: Uint8Array): VerificationKey | undefined {
  const fits = Object.hasOwn(METHODS, key.keytype) && METHODS[key.keytype]?.includes(method) === true
  const loaded = fits ? cachedKey(key, method === PYCRYPTO) : undefined
  return sig.length === loaded?.signatureLength ? loaded : undefined
}

/** As `crypto.verify` takes it. */
function verification(
  { keytype, object }: VerificationKey,
  method: string,
  sig: Uint8Array,
  message: Uint8Array,
): [string | null, Uint8Array, KeyObject | VerifyKeyObjectInput, Uint8Array] {
  if (keytype === 'ed25519') return [null, message, object, sig]
  // Node converts r ‖ s itself if asked, but takes a third longer: `{ key, dsaEncoding }` is slow to read.
  if (keytype === 'ecdsa') return ['sha256', message, object, derSignature(sig)]
  if (method === 'rsapkcs1v15') return ['sha256', message, object, sig]
  return ['sha256', message, { key: object, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: PSS_SALT_BYTES }, sig]
}

/** True if some signature could verify with this key; false for one that is malformed, too short or of unknown type. */
export function canVerify(key: PublicKey): boolean {
  return cachedKey(key, false) !== undefined || cachedKey(key, true) !== undefined
}

/**
 * Names the key pair behind a public key, whatever its form: bare, as a certificate, as PEM. For counting who has
 * signed; a key that can verify nothing stands for itself.
 */
export function keyPairId(key: PublicKey): string {
  return (cachedKey(key, false) ?? cachedKey(key, true))?.pairId ?? keyId(key)
}

/**
 * Keep a key ready whose private half is here: the root that names it is about to come.
 *
 * @param object the public key
 * @param spki its SubjectPublicKeyInfo
 */
export function keepMadeKey(key: PublicKey, object: KeyObject, spki: Buffer): void {
  keys.get(nameOf(key, false), () => madeKey(object, spki))
}

/** Keys that are kept ready: by type, form and content. Malformed ones are not kept. */
const keys = new Memo<VerificationKey | undefined>(1_000)

function cachedKey(key: PublicKey, pem: boolean): VerificationKey | undefined {
  if (!pem) return plainKey(key)
  return key.keytype === 'rsa' ? pemKey(key) : undefined
}

const plainKey = memoized((key: PublicKey) => keys.get(nameOf(key, false), () => loadKey(key, false)))
const pemKey = memoized((key: PublicKey) => keys.get(nameOf(key, true), () => loadKey(key, true)))

function nameOf(key: PublicKey, pem: boolean): string {
  return `${key.keytype} ${pem ? 'pem' : 'plain'} ${key.public}`
}
