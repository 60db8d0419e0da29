import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { writeAtomically } from '../atomic-file.ts'
import { fileError, isMissing, TrustError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { shellQuoted } from '../tuf/gun.ts'

/** Permission bits that a secret file must not have: any for group and others; a file of root may be group-readable. */
const OTHERS = 0o077
const OTHERS_OF_LENT = 0o037
const EVERYBODY_READS = 0o004
const BYTE_ORDER_MARK = Buffer.from('\uFEFF')

/**
 * Returns the size of a file in bytes; undefined if there is none. Throws if that cannot be determined: callers make
 * missing files anew, or take them from a backup.
 *
 * @throws TrustError BAD_KEYS
 */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw fileError('BAD_KEYS', `cannot look at ${path}`, cause, 'check the settings keysDirectory and dataDirectory')
  }
}

/**
 * Reads a file that only its owner may read. For a process that is not root, its group may also read a file of root, as in
 * PostgreSQL: containers get their secrets this way and cannot change that.
 *
 * @param named what names the file, for the error's hint: `the setting webhook.secretFile`
 * @throws TrustError BAD_KEYS if the file cannot be read, or others can read it
 */
export async function readSecretFile(
  path: string,
  named = 'the settings keysDirectory and passphraseFile',
): Promise<Buffer> {
  try {
    const found = await stat(path)
    // Containers mount a secret as a directory with a file in it. Never advise to take its rights away.
    if (found.isDirectory()) throw new TrustError('BAD_KEYS', `${path} is a directory`, { hint: `check ${named}` })
    const { mode, uid } = found
    const lent = uid === 0 && process.geteuid?.() !== 0
    if ((mode & (lent ? OTHERS_OF_LENT : OTHERS)) !== 0) {
      const hint = lent
        ? `mount or create it with mode 0440 and a group of this user`
        : `chmod 600 ${shellQuoted(path)}`
      throw new TrustError('BAD_KEYS', `${path} can be read by others`, { hint })
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    throw fileError('BAD_KEYS', `cannot read ${path}`, cause, `check ${named}`)
  }
}

/**
 * True for a secret that survives typing, storing and sending: UTF-8 without a byte order mark. All invalid bytes would
 * decode to the same character, and nobody sees a byte order mark.
 */
export function isTypable(secret: Uint8Array): boolean {
  return isUtf8(secret) && !BYTE_ORDER_MARK.equals(secret.subarray(0, BYTE_ORDER_MARK.length))
}

/** Returns the secret in a file's content, without the final line end. */
export function secretIn(content: Buffer): string {
  return content.toString('utf8').replace(/\r?\n$/, '')
}

/**
 * True for a file that everybody can read. For a warning about files that we cannot refuse, since containers mount
 * secrets this way.
 */
export async function isOpenToAll(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (found.mode & EVERYBODY_READS) !== 0
}

/** Makes a directory that only its owner can open, unless it exists. @throws TrustError BAD_KEYS */
export async function makeSecretDirectory(path: string): Promise<void> {
  await makeDirectory(path).catch((cause: unknown) => {
    throw fileError('BAD_KEYS', `cannot create the directory ${path}`, cause, 'check the setting keysDirectory')
  })
}

/** Writes a file so that a crash leaves either the old or the new one. @throws TrustError BAD_KEYS */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
  hint = 'check the disk, and the setting keysDirectory',
): Promise<void> {
  await writeAtomically(path, content, mode).catch((cause: unknown) => {
    throw fileError('BAD_KEYS', `cannot write ${path}`, cause, hint)
  })
}
