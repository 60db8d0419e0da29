import { readdir, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { syncDirectory } from './atomic-file.ts'
import { fileError, TrustError } from './errors.ts'
import { makeDirectory } from './make-directory.ts'
import { ANCHOR, type Settings } from './settings/schema.ts'
import { copyKeys } from './signing/copy-keys.ts'
import { mustBeWhole } from './signing/keys-directory.ts'
import { sizeOf } from './signing/secret-file.ts'
import type { StorePlace } from './store/place.ts'

/** A directory from which a server can be started contains a database, keys, and the anchor among the keys. */
export const DATA = 'data'
export const KEYS = 'keys'
/** Name of the keys while the rest is written. Whenever the process dies, no server starts from data without keys. */
const UNFINISHED = 'keys.unfinished'

/**
 * Makes a directory from which a server can be started: a copy of the keys, and a store.
 *
 * @param settings those of the existing server
 * @param directory absolute; created, or existing and empty
 * @param fill makes a database and its anchor in these places
 * @throws TrustError WRONG_STATE, BAD_KEYS, and what `fill` throws; nothing is left in the directory then
 */
export async function makeServerDirectory<T>(
  settings: Pick<Settings, 'dataDirectory' | 'keysDirectory' | 'anchorFile'>,
  directory: string,
  fill: (place: Omit<StorePlace, 'anchorKey'>) => Promise<T>,
): Promise<T> {
  const { keysDirectory, anchorFile } = settings
  await mustBeFree(settings, directory)
  const [data, keys, unfinished] = [join(directory, DATA), join(directory, KEYS), join(directory, UNFINISHED)]
  await claim(directory, data)
  try {
    const from = resolve(keysDirectory)
    await copyKeys(from, unfinished, [join(from, ANCHOR), resolve(anchorFile)])
    await mustBeWhole(unfinished)
    const filled = await fill({ directory: data, anchorFile: join(unfinished, ANCHOR) })
    await rename(unfinished, keys)
    await syncDirectory(directory)
    return filled
  } catch (error) {
    for (const part of [data, keys, unfinished]) await rm(part, { recursive: true, force: true })
    throw error
  }
}

/** True if the keys directory belongs to a server directory that was not finished: what is beside it is incomplete. */
export async function isUnfinished(keysDirectory: string): Promise<boolean> {
  const path = resolve(keysDirectory)
  return basename(path) === KEYS && (await sizeOf(join(dirname(path), UNFINISHED))) !== undefined
}

/**
 * Throws unless a server directory can be made there. Makes nothing.
 *
 * @throws TrustError WRONG_STATE if it is not empty, or inside the server's own directories: it would be copied too, or
 *   taken for part of the server
 */
export async function mustBeFree(
  { dataDirectory, keysDirectory }: Pick<Settings, 'dataDirectory' | 'keysDirectory'>,
  directory: string,
): Promise<void> {
  for (const place of [dataDirectory, keysDirectory]) await mustNotLieIn(place, directory)
  const names = await readdir(directory).catch(() => [])
  if (names.length > 0) throw notEmpty(directory)
}

/** @param data made in it; of two processes at once, only the first succeeds */
async function claim(directory: string, data: string): Promise<void> {
  try {
    await makeDirectory(directory)
    // False: another process was faster.
    if (await makeDirectory(data)) return
  } catch (cause) {
    throw fileError('WRONG_STATE', `cannot create the directory ${directory}`, cause, 'choose another directory')
  }
  throw notEmpty(directory)
}

function notEmpty(directory: string): TrustError {
  return new TrustError('WRONG_STATE', `the directory ${directory} is not empty`, { hint: 'name a new one each time' })
}

async function mustNotLieIn(place: string, directory: string): Promise<void> {
  const path = relative(await realPathOf(place), await realPathOf(directory))
  if (path === '..' || path.startsWith('../')) return
  throw new TrustError('WRONG_STATE', `the directory ${directory} lies in ${place}`, {
    hint: 'choose another directory',
  })
}

/** Resolves links, even of a path that does not exist yet. */
async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async () => join(await realPathOf(dirname(path)), basename(path)))
}
