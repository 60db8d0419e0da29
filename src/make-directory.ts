import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Make a directory that its owner alone can open, and those above it that are missing. Not with Node's `recursive`: on a
 * file system that is read-only it says that there is no such directory, and below /proc it tries for ever.
 *
 * @returns false if it is there already
 * @throws the file system's error, of the one that cannot be made
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
