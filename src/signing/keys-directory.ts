import { createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, TrustError } from '../errors.ts'
import { privateKeyOfSeed, SEED_BYTES } from './ed25519.ts'
import { FileSigner } from './file-signer.ts'
import { KEY_FILE_SECRET_BYTES, PASSPHRASE_MIN_LENGTH } from './key-encryption.ts'
import { Keyring, type Secret, type SharedKeyring } from './keyring.ts'
import {
  isTypable,
  makeSecretDirectory,
  readSecretFile,
  secretIn,
  sizeOf,
  syncDirectory,
  writeFileAtomically,
} from './secret-file.ts'
import type { KeyAlgorithm } from './signer.ts'
import { openTokenKey, type TokenKey } from './token-key.ts'

/** The files of a keys directory. */
const KEY_FILE = 'key-encryption-key'
const KEYRING = 'keyring.json'
const ANCHOR_KEY = 'anchor-key'
const TOKEN_KEY = 'token-key'
/** There while a keyring is put under another secret. */
const REKEY_LOCK = '.rekey'
/** Where they are named; one that is gone is nowhere else. */
const NAMED = 'the settings keysDirectory and passphraseFile, or put it back from a backup'
const ANCHOR_ABOUT = ['countersign anchor key', '1']

/** The key that signs the store's anchor. */
interface AnchorKey {
  sign(bytes: Uint8Array): Uint8Array
  verify(bytes: Uint8Array, signature: Uint8Array): boolean
}

/** An opened keys directory. */
export interface Keys {
  /** A signer that makes new keys of this algorithm. */
  signer(algorithm: KeyAlgorithm): FileSigner
  readonly anchorKey: AnchorKey
  /** For other threads of this process. */
  readonly shared: SharedKeyring
  /** The key of the built-in token endpoint, made when it is first asked for. @throws TrustError BAD_KEYS */
  tokenKey(): Promise<TokenKey>
}

/** True if a keyring was made here. @throws TrustError BAD_KEYS if that cannot be told */
export async function hasKeys(directory: string): Promise<boolean> {
  return (await sizeOf(join(directory, KEYRING))) !== undefined
}

/**
 * Make a keys directory: key file (unless a passphrase is used), keyring, anchor key.
 *
 * @param passphraseFile the passphrase to use instead of a key file
 * @returns it, opened: a pipe says the passphrase once
 * @throws TrustError BAD_KEYS if there is one already, or the passphrase cannot be used
 */
export async function createKeysDirectory(directory: string, passphraseFile?: string): Promise<Keys> {
  if (await hasKeys(directory)) throw new TrustError('BAD_KEYS', `there is a keyring in ${directory} already`)
  await makeSecretDirectory(directory)
  const secret = passphraseFile === undefined ? await newKeyFile(directory) : await passphrase(passphraseFile, true)
  // The keyring comes last: where there is one, everything else is there.
  const path = join(directory, KEYRING)
  const temporary = join(directory, `.${KEYRING}.new`)
  await Keyring.create(temporary, secret)
  const keyring = await Keyring.open(temporary, secret.bytes)
  secret.bytes.fill(0)
  const seed = randomBytes(SEED_BYTES)
  await writeFileAtomically(join(directory, ANCHOR_KEY), keyring.seal(ANCHOR_ABOUT, seed), 0o600)
  await rename(temporary, path)
  // Anchor and data may be on disks of their own: what is committed there is of no use without it.
  await syncDirectory(directory)
  return keysOf(directory, keyring, seed)
}

/**
 * Open a keys directory.
 *
 * @throws TrustError BAD_KEYS with what to do
 */
export async function openKeysDirectory(directory: string, passphraseFile?: string): Promise<Keys> {
  const secret = await currentSecret(directory, passphraseFile)
  const keyring = await Keyring.open(join(directory, KEYRING), secret.bytes)
  secret.bytes.fill(0)
  const sealed = await readSecretFile(join(directory, ANCHOR_KEY), NAMED)
  const seed = keyring.unseal(ANCHOR_ABOUT, sealed)
  if (seed === undefined) {
    throw new TrustError('BAD_KEYS', `${join(directory, ANCHOR_KEY)} does not open`, {
      hint: 'put it back from a backup, of whatever age: it never changes',
    })
  }
  return keysOf(directory, keyring, seed)
}

/** @param seed of the anchor key; zeroed */
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
 * Does a keys directory open that is not this process's own any more, or not yet? The passphrase is not asked for: a running
 * server may know only the one from before.
 *
 * @throws TrustError BAD_KEYS
 */
export async function mustBeWhole(directory: string): Promise<void> {
  if (await Keyring.isUnderPassphrase(join(directory, KEYRING))) await readSecretFile(join(directory, ANCHOR_KEY))
  else await openKeysDirectory(directory)
}

/**
 * Put the keyring under another secret: from a key file to a passphrase, from one passphrase to another, or back to a
 * new key file. Keys of repositories are not touched.
 *
 * @param passphraseFile the passphrase in use; undefined: the key file
 * @param newPassphraseFile the passphrase from now on; undefined: a new key file
 * @param dryRun open and read everything, write nothing
 * @throws TrustError BAD_KEYS, BUSY
 */
export async function rekey(
  directory: string,
  passphraseFile?: string,
  newPassphraseFile?: string,
  dryRun = false,
): Promise<void> {
  const work = (): Promise<void> => changeSecret(directory, passphraseFile, newPassphraseFile, dryRun)
  return dryRun ? work() : alone(directory, work)
}

/** Of two at once one could leave its key file beside the other one's keyring, and no key would open any more. */
async function alone(directory: string, work: () => Promise<void>): Promise<void> {
  const lock = join(directory, REKEY_LOCK)
  await writeFile(lock, '', { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw fileError('BAD_KEYS', `cannot write ${lock}`, cause, 'check the setting keysDirectory')
    }
    throw new TrustError('BUSY', `another command puts the keyring in ${directory} under a new secret`, {
      hint: `look which secret opens it when that is done; if it was killed, remove ${lock} and try again`,
      cause,
    })
  })
  try {
    await work()
  } finally {
    await rm(lock, { force: true })
  }
}

async function changeSecret(
  directory: string,
  passphraseFile: string | undefined,
  newPassphraseFile: string | undefined,
  dryRun: boolean,
): Promise<void> {
  const old = await currentSecret(directory, passphraseFile)
  if (passphraseFile === undefined && newPassphraseFile === undefined) {
    throw new TrustError('BAD_KEYS', 'the keyring is under a key file already', {
      hint: 'name a file with the new passphrase',
    })
  }
  // Opened before anything is written: a new key file must not replace the one that is still needed.
  await Keyring.open(join(directory, KEYRING), old.bytes)
  const given = newPassphraseFile === undefined ? undefined : await passphrase(newPassphraseFile, true, 'the path')
  if (dryRun) return
  const secret = given ?? (await newKeyFile(directory))
  await Keyring.rekey(join(directory, KEYRING), old.bytes, secret)
}

async function currentSecret(directory: string, passphraseFile: string | undefined): Promise<Secret> {
  if (passphraseFile !== undefined) return passphrase(passphraseFile, false)
  const keyring = join(directory, KEYRING)
  // A key file may be there all the same, from before: it opens nothing.
  if ((await hasKeys(directory)) && (await Keyring.isUnderPassphrase(keyring))) {
    throw new TrustError('BAD_KEYS', `${keyring} is under a passphrase`, {
      hint: 'set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to the file that has it',
    })
  }
  const path = join(directory, KEY_FILE)
  const bytes = Buffer.from((await readSecretFile(path, NAMED)).toString('latin1').trim(), 'base64')
  if (bytes.length < KEY_FILE_SECRET_BYTES) {
    throw new TrustError('BAD_KEYS', `${path} is damaged: it holds no key`, {
      hint: 'put it back from a backup of after the last "countersign key rekey"',
    })
  }
  return { kind: 'key-file', bytes }
}

async function newKeyFile(directory: string): Promise<Secret> {
  const bytes = randomBytes(KEY_FILE_SECRET_BYTES)
  await writeFileAtomically(join(directory, KEY_FILE), `${bytes.toString('base64')}\n`, 0o600)
  return { kind: 'key-file', bytes }
}

async function passphrase(path: string, isNew: boolean, named?: string): Promise<Secret> {
  const content = await readSecretFile(path, named)
  if (isNew && !isTypable(content)) {
    throw new TrustError('BAD_KEYS', `the passphrase in ${path} is no UTF-8, or has a byte order mark`, {
      hint: 'random ones are to be text: "openssl rand -hex 32" prints one',
    })
  }
  const text = secretIn(content)
  if (isNew ? text.length < PASSPHRASE_MIN_LENGTH : text === '') {
    throw new TrustError('BAD_KEYS', `the passphrase in ${path} is empty or too short`, {
      hint: `use at least ${PASSPHRASE_MIN_LENGTH} characters`,
    })
  }
  return { kind: 'passphrase', bytes: Buffer.from(text) }
}
