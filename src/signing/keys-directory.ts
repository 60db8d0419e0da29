import { createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../atomic-file.ts'
import { TrustError } from '../errors.ts'
import { privateKeyOfSeed, SEED_BYTES } from './ed25519.ts'
import { FileSigner } from './file-signer.ts'
import { currentSecret, KEYRING, NAMED, newKeyFile, newPassphrase } from './keyring-secret.ts'
import { Keyring, type SharedKeyring } from './keyring.ts'
import { makeSecretDirectory, readSecretFile, sizeOf, writeFileAtomically } from './secret-file.ts'
import type { KeyAlgorithm } from './signer.ts'
import { openTokenKey, type TokenKey } from './token-key.ts'

/** Files of a keys directory, besides the keyring and its key file. */
const ANCHOR_KEY = 'anchor-key'
const TOKEN_KEY = 'token-key'
const ANCHOR_ABOUT = ['countersign anchor key', '1']

/** The key that signs the store's anchor. */
interface AnchorKey {
  sign(bytes: Uint8Array): Uint8Array
  verify(bytes: Uint8Array, signature: Uint8Array): boolean
}

/** An opened keys directory. */
export interface Keys {
  /** Returns a signer that makes new keys of this algorithm. */
  signer(algorithm: KeyAlgorithm): FileSigner
  readonly anchorKey: AnchorKey
  /** For other threads of this process. */
  readonly shared: SharedKeyring
  /** Opens the key of the built-in token endpoint; the first call makes it. @throws TrustError BAD_KEYS */
  tokenKey(): Promise<TokenKey>
}

/** True if the directory has a keyring. @throws TrustError BAD_KEYS if that cannot be determined */
export async function hasKeys(directory: string): Promise<boolean> {
  return (await sizeOf(join(directory, KEYRING))) !== undefined
}

/**
 * Makes a keys directory: key file (unless a passphrase is used), keyring, anchor key.
 *
 * @param passphraseFile file with the passphrase to use instead of a key file
 * @returns the directory, opened: a passphrase from a pipe can be read only once
 * @throws TrustError BAD_KEYS if there is one already, or the passphrase cannot be used
 */
export async function createKeysDirectory(directory: string, passphraseFile?: string): Promise<Keys> {
  if (await hasKeys(directory)) throw new TrustError('BAD_KEYS', `there is already a keyring in ${directory}`)
  await makeSecretDirectory(directory)
  const secret = passphraseFile === undefined ? await newKeyFile(directory) : await newPassphrase(passphraseFile)
  // The keyring comes last: its presence means that everything else is there.
  const path = join(directory, KEYRING)
  const temporary = join(directory, `.${KEYRING}.new`)
  await Keyring.create(temporary, secret)
  const keyring = await Keyring.open(temporary, secret)
  secret.bytes.fill(0)
  const seed = randomBytes(SEED_BYTES)
  await writeFileAtomically(join(directory, ANCHOR_KEY), keyring.seal(ANCHOR_ABOUT, seed), 0o600)
  await rename(temporary, path)
  // Anchor and data may be on other disks, and commits there are useless without the keyring.
  await syncDirectory(directory)
  return keysOf(directory, keyring, seed)
}

/**
 * Opens a keys directory.
 *
 * @throws TrustError BAD_KEYS with a hint what to do
 */
export async function openKeysDirectory(directory: string, passphraseFile?: string): Promise<Keys> {
  const secret = await currentSecret(directory, passphraseFile)
  const keyring = await Keyring.open(join(directory, KEYRING), secret)
  secret.bytes.fill(0)
  const sealed = await readSecretFile(join(directory, ANCHOR_KEY), NAMED)
  const seed = keyring.unseal(ANCHOR_ABOUT, sealed)
  if (seed === undefined) {
    throw new TrustError('BAD_KEYS', `${join(directory, ANCHOR_KEY)} does not open`, {
      hint: 'restore it from a backup of any age: it never changes',
    })
  }
  return keysOf(directory, keyring, seed)
}

/** @param seed of the anchor key; zeroed here */
function keysOf(directory: string, keyring: Keyring, seed: Buffer): Keys {
  const privateKey = privateKeyOfSeed(seed)
  seed.fill(0)
  const publicKey = createPublicKey(privateKey)
  return {
    signer: (algorithm) => new FileSigner(keyring, algorithm),
    anchorKey: {
      sign: (bytes) => sign(null, bytes, privateKey),
      verify: (bytes, signature) => verify(null, bytes, publicKey, signature),
    },
    shared: keyring.shared,
    tokenKey: () => openTokenKey(join(directory, TOKEN_KEY), keyring),
  }
}

/**
 * Throws unless a keys directory opens: one being copied, or one that a running server opened earlier and that may have
 * changed. Under a passphrase it only checks the files, since such a server may know only the old passphrase.
 *
 * @throws TrustError BAD_KEYS
 */
export async function mustBeWhole(directory: string): Promise<void> {
  if (await Keyring.isUnderPassphrase(join(directory, KEYRING))) await readSecretFile(join(directory, ANCHOR_KEY))
  else await openKeysDirectory(directory)
}
