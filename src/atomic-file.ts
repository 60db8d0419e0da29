import { randomUUID } from 'node:crypto'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Writes a file so that a crash or a power cut leaves either the old or the new one: writes a temporary file beside it, syncs
 * and renames it, and syncs the directory.
 *
 * @throws the file system's error; nothing is left of the temporary file then
 */
export async function writeAtomically(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const beside = join(dirname(path), `.${randomUUID()}.tmp`)
  try {
    await writeFile(beside, content, { mode, flag: 'wx', flush: true })
    await rename(beside, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    // On a full disk nobody would ever find the partial file.
    await rm(beside, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Syncs a directory, so that its entries are on the disk. @throws the file system's error */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path)
  await directory.sync()
}
