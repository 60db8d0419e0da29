import { TrustError } from './errors.ts'
import { makeServerDirectory } from './server-directory.ts'
import type { Settings } from './settings/schema.ts'
import type { Copied, LevelStore } from './store/level-store.ts'

/**
 * Makes backups of a running server: each is a copy of everything that it needs at one moment, namely database, anchor
 * and keys. Makes one at a time, since each slows down requests.
 *
 * @returns `backUp(directory, gone)`: creates the directory, an absolute path, or uses an empty one; `gone` is aborted
 *   when nobody waits any more. It throws TrustError BUSY during another backup; WRONG_STATE, CORRUPT, BAD_KEYS,
 *   STORE_UNAVAILABLE, or the reason of `gone`: nothing is left in the directory then
 */
export function backupsOf(
  settings: Pick<Settings, 'dataDirectory' | 'keysDirectory' | 'anchorFile'>,
  store: Pick<LevelStore, 'copyTo'>,
): (directory: string, gone?: AbortSignal) => Promise<Copied> {
  let made: string | undefined
  return async (directory, gone) => {
    if (made !== undefined) {
      throw new TrustError('BUSY', `a backup is already being made, in ${made}`, { hint: 'wait until it is done' })
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
