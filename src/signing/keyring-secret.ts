import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { TrustError } from '../errors.ts'
import { KEY_FILE_SECRET_BYTES, PASSPHRASE_MIN_LENGTH } from './key-encryption.ts'
import { Keyring, type Secret } from './keyring.ts'
import { isTypable, readSecretFile, secretIn, sizeOf, writeFileAtomically } from './secret-file.ts'

/** A keyring in a keys directory, and the file with the secret that opens it, unless that is a passphrase. */
export const KEYRING = 'keyring.json'
const KEY_FILE = 'key-encryption-key'
/** Where they are named; one that is gone is nowhere else. */
export const NAMED = 'the settings keysDirectory and passphraseFile, or put it back from a backup'

/**
 * The secret that a keyring is under.
 *
 * @param passphraseFile the passphrase; undefined: the key file
 * @throws TrustError BAD_KEYS
 */
export async function currentSecret(directory: string, passphraseFile: string | undefined): Promise<Secret> {
  // Of whatever length: it is the one that was taken.
  if (passphraseFile !== undefined) return passphraseIn(await readSecretFile(passphraseFile), passphraseFile, 1)
  const keyring = join(directory, KEYRING)
  // A key file may be there all the same, from before: it opens nothing.
  if ((await sizeOf(keyring)) !== undefined && (await Keyring.isUnderPassphrase(keyring))) {
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

/** Make a key file. @throws TrustError BAD_KEYS */
export async function newKeyFile(directory: string): Promise<Secret> {
  const bytes = randomBytes(KEY_FILE_SECRET_BYTES)
  await writeFileAtomically(join(directory, KEY_FILE), `${bytes.toString('base64')}\n`, 0o600)
  return { kind: 'key-file', bytes }
}

/**
 * A passphrase that a keyring is to be under from now on.
 *
 * @param named what names the file, for the person who has to look
 * @throws TrustError BAD_KEYS if it is no text, or too short
 */
export async function newPassphrase(path: string, named?: string): Promise<Secret> {
  const content = await readSecretFile(path, named)
  if (!isTypable(content)) {
    throw new TrustError('BAD_KEYS', `the passphrase in ${path} is no UTF-8, or has a byte order mark`, {
      hint: 'random ones are to be text: "openssl rand -hex 32" prints one',
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
