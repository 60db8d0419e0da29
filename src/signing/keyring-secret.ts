import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { TrustError } from '../errors.ts'
import { KEY_FILE_SECRET_BYTES, PASSPHRASE_MIN_LENGTH } from './key-encryption.ts'
import { Keyring, underPassphrase, type Secret } from './keyring.ts'
import { isTypable, readSecretFile, secretIn, sizeOf, writeFileAtomically } from './secret-file.ts'

/** The keyring in a keys directory, and the key file that opens it unless it is under a passphrase. */
export const KEYRING = 'keyring.json'
const KEY_FILE = 'key-encryption-key'
/** What to check if one of them is missing. */
export const NAMED = 'the settings keysDirectory and passphraseFile, or restore it from a backup'

/**
 * Reads the secret that the keyring is under now.
 *
 * @param passphraseFile file with the passphrase; undefined for the key file
 * @throws TrustError BAD_KEYS
 */
export async function currentSecret(directory: string, passphraseFile: string | undefined): Promise<Secret> {
  // Any length will do: this passphrase was accepted when it was set.
  if (passphraseFile !== undefined) return passphraseIn(await readSecretFile(passphraseFile), passphraseFile, 1)
  const keyring = join(directory, KEYRING)
  // An old key file, which opens nothing, may still be there.
  if ((await sizeOf(keyring)) !== undefined && (await Keyring.isUnderPassphrase(keyring))) {
    throw underPassphrase(keyring)
  }
  const path = join(directory, KEY_FILE)
  const bytes = Buffer.from((await readSecretFile(path, NAMED)).toString('latin1').trim(), 'base64')
  if (bytes.length < KEY_FILE_SECRET_BYTES) {
    throw new TrustError('BAD_KEYS', `${path} is damaged: it holds no key`, {
      hint: 'restore it from a backup made after the last "countersign key rekey"',
    })
  }
  return { kind: 'key-file', bytes }
}

/** Makes a key file with a random secret. @throws TrustError BAD_KEYS */
export async function newKeyFile(directory: string): Promise<Secret> {
  const bytes = randomBytes(KEY_FILE_SECRET_BYTES)
  await writeFileAtomically(join(directory, KEY_FILE), `${bytes.toString('base64')}\n`, 0o600)
  return { kind: 'key-file', bytes }
}

/**
 * Reads a new passphrase for a keyring.
 *
 * @param named the setting or argument that names the file, for the error's hint
 * @throws TrustError BAD_KEYS if it is not text, or too short
 */
export async function newPassphrase(path: string, named?: string): Promise<Secret> {
  const content = await readSecretFile(path, named)
  if (!isTypable(content)) {
    throw new TrustError('BAD_KEYS', `the passphrase in ${path} is not UTF-8, or has a byte order mark`, {
      hint: 'it must be text; "openssl rand -hex 32" prints a random one',
    })
  }
  return passphraseIn(content, path, PASSPHRASE_MIN_LENGTH)
}

/** @param minLength characters */
function passphraseIn(content: Buffer, path: string, minLength: number): Secret {
  const text = secretIn(content)
  if (text.length < minLength) {
    throw new TrustError('BAD_KEYS', `the passphrase in ${path} is empty or too short`, {
      hint: `use at least ${PASSPHRASE_MIN_LENGTH} characters`,
    })
  }
  return { kind: 'passphrase', bytes: Buffer.from(text) }
}
