import { constants } from 'node:fs'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { TrustError } from '../errors.ts'

/** Permission bits of group and others. */
const OTHERS = 0o077

/** What to do about a file that is another user's. */
export const OWN_IT = 'run it as the user that the server runs as (sudo -u USER), or give that one its files (chown -R)'

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
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new TrustError('BAD_KEYS', `cannot look at ${path}: ${code}`, { hint: OWN_IT, cause })
  }
}

/**
 * Read a file that only its owner may read.
 *
 * @param named what names it, for the person who has to look: `the setting webhook.secretFile`
 * @throws TrustError BAD_KEYS if it cannot be read, or others can read it
 */
export async function readSecretFile(
  path: string,
  named = 'the settings keysDirectory and passphraseFile',
): Promise<Buffer> {
  try {
    const { mode } = await stat(path)
    if ((mode & OTHERS) !== 0) {
      throw new TrustError('BAD_KEYS', `${path} can be read by others`, { hint: `chmod 600 ${path}` })
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    const hint = (cause as NodeJS.ErrnoException).code === 'EACCES' ? OWN_IT : `check ${named}`
    throw new TrustError('BAD_KEYS', `cannot read ${path}`, { hint, cause })
  }
}

/** Write a file so that after a crash it is whole, old or new: beside it, synced, renamed, directory synced. */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const beside = join(dirname(path), `.${randomUUID()}.tmp`)
  const file = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
  const directory = await open(dirname(path), constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
