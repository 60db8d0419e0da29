import { readdir, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileError, TrustError } from './errors.ts'
import { makeDirectory } from './make-directory.ts'
import type { Settings } from './settings/schema.ts'
import { copyKeys } from './signing/copy-keys.ts'
import { mustBeWhole } from './signing/keys-directory.ts'
import { syncDirectory } from './signing/secret-file.ts'
import type { Copied, LevelStore } from './store/level.ts'

/** What a backup consists of: a server can be started from these two. */
const DATA = 'data'
const KEYS = 'keys'
/** In the keys directory, where a server looks for it unless a setting names another place. */
const ANCHOR = 'anchor'
/** The keys while the rest is written. No server starts from data without keys, whenever the process dies. */
const UNFINISHED = 'keys.unfinished'

/** What is copied. */
type OfServer = [
  settings: Pick<Settings, 'dataDirectory' | 'keysDirectory' | 'anchorFile'>,
  store: Pick<LevelStore, 'copyTo'>,
]

/**
 * The backups of a server, one at a time: each costs those who wait for answers.
 *
 * @returns `backUp`, which throws TrustError BUSY while another one is being made
 */
export function backupsOf(...server: OfServer): (directory: string, gone?: AbortSignal) => Promise<Copied> {
  let made: string | undefined
  return async (directory, gone) => {
    if (made !== undefined) {
      throw new TrustError('BUSY', `a backup is being made already, in ${made}`, { hint: 'wait until it is done' })
    }
    made = directory
    return backUp(...server, directory, gone).finally(() => (made = undefined))
  }
}

/**
 * Copy all that a server needs, as it is at one moment, beside the server that goes on: database, anchor and keys.
 *
 * @param directory absolute; it is made, or is there and empty
 * @param gone aborted: nobody waits for it any more
 * @throws TrustError WRONG_STATE, CORRUPT, BAD_KEYS, and why it was aborted; nothing is left in the directory then
 */
export async function backUp(
  { dataDirectory, keysDirectory, anchorFile }: OfServer[0],
  store: OfServer[1],
  directory: string,
  gone?: AbortSignal,
): Promise<Copied> {
  for (const place of [dataDirectory, keysDirectory]) await mustNotLieIn(place, directory)
  const [data, keys, unfinished] = [join(directory, DATA), join(directory, KEYS), join(directory, UNFINISHED)]
  await mustBeEmpty(directory, data)
  try {
    const from = resolve(keysDirectory)
    await copyKeys(from, unfinished, [join(from, ANCHOR), resolve(anchorFile)])
    await mustBeWhole(unfinished)
    const copied = await store.copyTo({ directory: data, anchorFile: join(unfinished, ANCHOR) }, gone)
    gone?.throwIfAborted()
    await rename(unfinished, keys)
    await syncDirectory(directory)
    return copied
  } catch (error) {
    for (const part of [data, keys, unfinished]) await rm(part, { recursive: true, force: true })
    throw error
  }
}

/** @param data is made in it, by the first of two servers alone that make their backups there at once */
async function mustBeEmpty(directory: string, data: string): Promise<void> {
  try {
    await makeDirectory(directory)
    const empty = (await readdir(directory)).length === 0
    // False: another one was faster.
    if (empty && (await makeDirectory(data))) return
  } catch (cause) {
    throw fileError('WRONG_STATE', `cannot make the directory ${directory}`, cause, 'name another place')
  }
  throw new TrustError('WRONG_STATE', `the directory ${directory} is not empty`, {
    hint: 'name a new one for each backup',
  })
}

/** It would be copied too, or taken for a part of the server. */
async function mustNotLieIn(place: string, directory: string): Promise<void> {
  const path = relative(await realpath(place), await realPathOf(directory))
  if (path === '..' || path.startsWith('../')) return
  throw new TrustError('WRONG_STATE', `the directory ${directory} lies in ${place}`, { hint: 'name another place' })
}

/** Also of what is not there yet. */
async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async () => join(await realPathOf(dirname(path)), basename(path)))
}
