import { TrustError } from './errors.ts'
import { makeServerDirectory } from './server-directory.ts'
import type { Settings } from './settings/schema.ts'
import type { Copied, LevelStore } from './store/level-store.ts'

/**
 * The backups of a server: each a copy of all that it needs, as it is at one moment, beside the server that goes on:
 * database, anchor and keys. One at a time: each costs those who wait for answers.
 *
 * @returns `backUp(directory, gone)`: the directory, absolute, is made, or is there and empty; `gone` is aborted when nobody
 *   waits for it any more. It throws TrustError BUSY while another one is being made; WRONG_STATE, CORRUPT, BAD_KEYS,
 *   STORE_UNAVAILABLE, and why it was aborted: nothing is left in the directory then
 */
export function backupsOf(
  settings: Pick<Settings, 'dataDirectory' | 'keysDirectory' | 'anchorFile'>,
  store: Pick<LevelStore, 'copyTo'>,
): (directory: string, gone?: AbortSignal) => Promise<Copied> {
  let made: string | undefined
  return async (directory, gone) => {
    if (made !== undefined) {
      throw new TrustError('BUSY', `a backup is being made already, in ${made}`, { hint: 'wait until it is done' })
    }
    made = directory
    const backUp = makeServerDirectory(settings, directory, async (place) => {
      const copied = await store.copyTo(place, gone)
      gone?.throwIfAborted()
      return copied
    })
    return backUp.finally(() => (made = undefined))
  }
}
