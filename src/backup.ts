import { TrustError } from './errors.ts'
import { makeServerDirectory } from './server-directory.ts'
import type { Settings } from './settings/schema.ts'
import type { Copied, LevelStore } from './store/level.ts'

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
  settings: OfServer[0],
  store: OfServer[1],
  directory: string,
  gone?: AbortSignal,
): Promise<Copied> {
  return makeServerDirectory(settings, directory, async (place) => {
    const copied = await store.copyTo(place, gone)
    gone?.throwIfAborted()
    return copied
  })
}
