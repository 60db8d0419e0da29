import { mkdir, readdir, realpath, rm, rmdir } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { fileError, TrustError } from './errors.ts'
import type { Settings } from './settings/schema.ts'
import { copyKeys } from './signing/copy-keys.ts'
import type { Copied, LevelStore } from './store/level.ts'

/** What a backup consists of: a server can be started from these two. */
const DATA = 'data'
const KEYS = 'keys'
/** In the keys directory, where a server looks for it unless a setting names another place. */
const ANCHOR = 'anchor'

/**
 * Copy all that a server needs, as it is at one moment, beside the server that goes on: database, anchor and keys.
 *
 * @param directory absolute; it is made, or is there and empty
 * @throws TrustError WRONG_STATE, CORRUPT, BAD_KEYS; nothing is left in the directory then
 */
export async function backUp(
  { dataDirectory, keysDirectory, anchorFile }: Pick<Settings, 'dataDirectory' | 'keysDirectory' | 'anchorFile'>,
  store: Pick<LevelStore, 'copyTo'>,
  directory: string,
): Promise<Copied> {
  await mustBeEmpty(directory)
  for (const place of [dataDirectory, keysDirectory]) await mustNotLieIn(place, directory)
  const [data, keys] = [join(directory, DATA), join(directory, KEYS)]
  try {
    const from = resolve(keysDirectory)
    await copyKeys(from, keys, [join(from, ANCHOR), resolve(anchorFile)])
    return await store.copyTo({ directory: data, anchorFile: join(keys, ANCHOR) })
  } catch (error) {
    for (const part of [data, keys]) await rm(part, { recursive: true, force: true })
    throw error
  }
}

async function mustBeEmpty(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if ((await readdir(directory)).length === 0) return
  } catch (cause) {
    throw fileError('WRONG_STATE', `cannot make the directory ${directory}`, cause, 'name another place')
  }
  throw new TrustError('WRONG_STATE', `the directory ${directory} is not empty`, {
    hint: 'name a new one for each backup',
  })
}

/** It would be copied too, or taken for a part of the server. */
async function mustNotLieIn(place: string, directory: string): Promise<void> {
  const path = relative(await realpath(place), await realpath(directory))
  if (path === '..' || path.startsWith('../')) return
  await rmdir(directory)
  throw new TrustError('WRONG_STATE', `the directory ${directory} lies in ${place}`, { hint: 'name another place' })
}
