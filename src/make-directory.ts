import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory that only its owner can open, and missing ones above it. Not with Node's `recursive`: on a
 * read-only file system that reports a missing directory, and below /proc it retries forever.
 *
 * @returns false if it exists already
 * @throws the file system's error for the directory that cannot be made
 */
export async function makeDirectory(path: string): Promise<boolean> {
  try {
    return await makeOne(path)
  } catch (cause) {
    const above = dirname(path)
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw cause
    await makeDirectory(above)
    return makeOne(path)
  }
}

async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(path)).isDirectory()
    if (isThere) return false
    throw cause
  }
}
