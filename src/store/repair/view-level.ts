import { Level } from 'level'
import type { TrustError } from '../../errors.ts'
import { openError, openWithLogs } from '../database/open-level.ts'
import { isSystemFault } from '../database/records.ts'

/** Functions missing from the types of `level`, since browsers lack them. */
interface OfClassicLevel {
  compactRange(first: Buffer, last: Buffer): Promise<void>
}
const { repair: relist } = Level as unknown as { repair: (this: void, directory: string) => Promise<void> }

/** Bounds of all keys, which begin with a letter. */
const [FIRST_KEY, LAST_KEY] = [Buffer.of(0), Buffer.of(0xff)]

/**
 * Opens LevelDB over a view (`view.ts`), which is thrown away later. If LevelDB's list of its tables (MANIFEST, CURRENT)
 * or a table is gone, has LevelDB list the existing tables and compact them: only then does it find the newest version of
 * each key that is left. Records that were in a missing table are silently missing, or older ones take their place.
 *
 * @param of the directory behind the view, for errors
 * @param isListed false if there is no usable list of the existing tables: LevelDB would overwrite some
 * @throws TrustError DATA_LOCKED, DATA_DAMAGED
 */
export async function openViewLevel(
  view: string,
  of: string,
  isListed: boolean,
): Promise<{ level: Level<Buffer, Buffer>; relisted: boolean }> {
  try {
    if (isListed) return { level: await openWithLogs(view, of), relisted: false }
  } catch (error) {
    const { code, cause } = error as TrustError
    if (code !== 'DATA_DAMAGED' || isSystemFault(cause as Error)) throw error
  }
  await relist(view).catch((error: unknown) => {
    throw openError(of, error as Error)
  })
  const level = await openWithLogs(view, of)
  await (level as unknown as OfClassicLevel).compactRange(FIRST_KEY, LAST_KEY)
  return { level, relisted: true }
}
