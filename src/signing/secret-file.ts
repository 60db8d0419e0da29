import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, isMissing, TrustError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'

/** Permission bits that a secret must not have: of group and others; where the file is lent by root, its group may read. */
const OTHERS = 0o077
const OTHERS_OF_LENT = 0o037
const EVERYBODY_READS = 0o004
const BYTE_ORDER_MARK = Buffer.from('\uFEFF')

/**
 * Bytes of a file; undefined if there is none. What cannot be told is not taken for "none": something would be made anew
 * in its place, or asked of a backup.
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
 * Read a file that only its owner may read; or, of root's, one group: a container that does not run as root gets its
 * secrets so, and cannot change that. The rule is PostgreSQL's.
 *
 * @param named what names it, for the person who has to look: `the setting webhook.secretFile`
 * @throws TrustError BAD_KEYS if it cannot be read, or others can read it
 */
export async function readSecretFile(
  path: string,
  named = 'the settings keysDirectory and passphraseFile',
): Promise<Buffer> {
  try {
    const { mode, uid } = await stat(path)
    const lent = uid === 0 && process.geteuid?.() !== 0
    if ((mode & (lent ? OTHERS_OF_LENT : OTHERS)) !== 0) {
      const hint = lent ? `mount or make it with mode 0440, of a group of this user` : `chmod 600 ${path}`
      throw new TrustError('BAD_KEYS', `${path} can be read by others`, { hint })
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    throw fileError('BAD_KEYS', `cannot read ${path}`, cause, `check ${named}`)
  }
}

/**
 * True for the bytes of a secret that is the same wherever it is typed, kept or sent. In what is no UTF-8 all bytes that are
 * wrong would become one and the same character; a byte order mark in front is seen by nobody.
 */
export function isTypable(secret: Uint8Array): boolean {
  return isUtf8(secret) && !BYTE_ORDER_MARK.equals(secret.subarray(0, BYTE_ORDER_MARK.length))
}

/** The secret in what a file holds: its last line end does not count. */
export function secretIn(content: Buffer): string {
  return content.toString('utf8').replace(/\r?\n$/, '')
}

/**
 * True for a file that everybody can read. Where it is not ours to refuse it, since containers mount secrets so, it is
 * said.
 */
export async function isOpenToAll(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (found.mode & EVERYBODY_READS) !== 0
}

/** Make a directory that its owner alone can open, unless it is there. @throws TrustError BAD_KEYS */
export async function makeSecretDirectory(path: string): Promise<void> {
  await makeDirectory(path).catch((cause: unknown) => {
    throw fileError('BAD_KEYS', `cannot make the directory ${path}`, cause, 'check the setting keysDirectory')
  })
}

/**
 * Write a file so that after a crash it is whole, old or new: beside it, synced, renamed, directory synced.
 *
 * @throws TrustError BAD_KEYS
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
  hint = 'check the disk, and the setting keysDirectory',
): Promise<void> {
  const beside = join(dirname(path), `.${randomUUID()}.tmp`)
  try {
    await writeFile(beside, content, { mode, flag: 'wx', flush: true })
    await rename(beside, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    // Half a file on a full disk: nobody would ever look for it.
    await rm(beside, { force: true }).catch(() => undefined)
    throw fileError('BAD_KEYS', `cannot write ${path}`, cause, hint)
  }
}

/** After this what it names is on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path)
  await directory.sync()
}
