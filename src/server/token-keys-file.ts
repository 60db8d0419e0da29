import { readTokenKeys } from '../authentication.ts'
import type { Log } from '../log/log.ts'
import type { Repeating } from '../repository/repeat.ts'
import type { Settings } from '../settings/schema.ts'
import { followFiles } from './follow-files.ts'

/**
 * Takes over the keys of an external token service from its file when it is replaced, without a restart. While the file
 * cannot be used, keeps the old keys and logs why once.
 *
 * @param used what is used at first
 * @param interval milliseconds between two looks
 * @param use makes all threads use the new keys, or throws TrustError BAD_SETTINGS; nothing has changed then
 */
export function followTokenKeys(
  settings: Settings,
  used: Uint8Array,
  interval: number,
  log: Log,
  use: (bytes: Uint8Array) => Promise<void>,
): Repeating {
  let current = used
  return followFiles({ what: 'new keys of the token service', use: 'used' }, interval, log, [
    async () => {
      const found = await readTokenKeys(settings)
      if (found === undefined || Buffer.compare(found, current) === 0) return
      await use(found)
      current = found
      log.info({}, 'new keys of the token service are used')
    },
  ])
}
