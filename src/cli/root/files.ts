import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, chmod, constants, lstat, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stagedRootAnswer } from '../../admin/root-answers.ts'
import { syncDirectory } from '../../atomic-file.ts'
import { fileError, TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import { privateKeyOf } from '../../signing/ed25519.ts'
import { namesInKeyFile, openKeyFile } from '../../signing/key-file.ts'
import { writeFileAtomically } from '../../signing/secret-file.ts'
import { parseGun } from '../../tuf/gun.ts'
import { mustNotBeEmpty, readGiven } from '../given-file.ts'
import { secretFrom } from '../terminal/ask-secret.ts'

/** Option that names the file with a key file's passphrase. */
export const KEY_PASSPHRASE_OPTION = '--key-passphrase-file'

/**
 * Reads the private key from a root key's file, and asks for its passphrase if it has one.
 *
 * @throws TrustError BAD_KEYS if it cannot be opened, or says that it is another role's; BAD_SETTINGS
 */
export async function readRootKeyFile(file: string, passphraseFile: string | undefined): Promise<KeyObject> {
  const pem = String(await readGiven(file))
  const { role = 'root', gun } = namesInKeyFile(pem)
  if (role !== 'root') {
    // Key files lie side by side, with names that nobody can tell apart.
    throw new TrustError('BAD_KEYS', `${file} says that it is a ${role} key${gun === undefined ? '' : ` of ${gun}`}`, {
      hint: 'the file of a root key has the line "role: root"',
    })
  }
  const encrypted = pem.includes('ENCRYPTED')
  const passphrase = encrypted
    ? await secretFrom(passphraseFile, `passphrase of ${file}`, KEY_PASSPHRASE_OPTION)
    : undefined
  return privateKeyOf(openKeyFile(pem, passphrase))
}

const STAGED_HINT = 'name a file here: "countersign root show GUN --out FILE" writes one'

/** Reads a file that "root show --out" wrote. @throws TrustError BAD_SETTINGS, INVALID_PARAMETERS */
export async function readStaged(file: string): Promise<StagedRootDescription> {
  const text = String(await readGiven(file, STAGED_HINT))
  try {
    const staged = JSON.parse(text) as StagedRootDescription
    stagedRootAnswer.parse(staged)
    // It is printed above what is signed: a name with line breaks could pretend that something else is.
    parseGun(staged.gun)
    // A root key must never be made to sign anything else.
    if (staged.payload['_type'] === 'Root') return staged
  } catch {
    // Reported below.
  }
  throw new TrustError('INVALID_PARAMETERS', `${file} does not hold a staged root`, {
    hint: STAGED_HINT,
  })
}

/** Replaces the file atomically, since a full disk must not lose the signatures of others. @throws TrustError BAD_KEYS */
export async function writeStaged(file: string, staged: StagedRootDescription): Promise<void> {
  // Replace a link's target: that file goes back to the server, perhaps on a USB stick.
  const path = (await lstat(file)).isSymbolicLink() ? await realpath(file) : file
  const { mode } = await stat(path)
  await writeFileAtomically(path, stagedText(staged), mode & 0o777, 'check the disk, and who may write there')
  // The umask removes permissions that the next signer needs.
  await chmod(path, mode & 0o777).catch(() => undefined)
}

export function stagedText(staged: StagedRootDescription): string {
  return `${JSON.stringify(staged, undefined, 2)}\n`
}

/** True for a file that `readStaged` accepts. */
export async function holdsStaged(file: string): Promise<boolean> {
  return readStaged(file).then(
    () => true,
    () => false,
  )
}

/**
 * Writes a new file. Never overwrites: the old file may be somebody's only key. Resolves when the data is on disk,
 * since the sealed key may be removed next.
 *
 * @throws TrustError BAD_SETTINGS; nothing is left of it then
 */
export async function writeNew(file: string, text: string): Promise<void> {
  mustNotBeEmpty('file', file)
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx', flush: true })
    await syncDirectory(dirname(file))
  } catch (cause) {
    const isOfOthers = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    if (!isOfOthers) await rm(file, { force: true }).catch(() => undefined)
    cannotMake(file, cause)
  }
}

/** Fails as `writeNew` would, for dry runs and before passphrases are asked for. @throws TrustError BAD_SETTINGS */
export async function mustBeNew(file: string): Promise<void> {
  mustNotBeEmpty('file', file)
  if (existsSync(file)) cannotMake(file, new Error('EEXIST: file already exists'))
  await access(dirname(file), constants.W_OK).catch((cause: unknown) => cannotMake(file, cause))
}

function cannotMake(file: string, cause: unknown): never {
  throw fileError('BAD_SETTINGS', `cannot make ${file}`, cause, 'name another file')
}
