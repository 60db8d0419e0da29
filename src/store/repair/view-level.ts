import { Level } from 'level'
import type { TrustError } from '../../errors.ts'
import { openLevel, unopened } from '../database/open-level.ts'
import { isOfThePlace } from '../database/records.ts'

/** What the types of `level` leave out: browsers have none of it. */
interface OfClassicLevel {
  compactRange(first: Buffer, last: Buffer): Promise<void>
}
const { repair: relist } = Level as unknown as { repair: (this: void, directory: string) => Promise<void> }

/** Bounds of all keys: they begin with a letter. */
const [FIRST_KEY, LAST_KEY] = [Buffer.of(0), Buffer.of(0xff)]

/**
 * Open LevelDB over a view (`view.ts`), which is thrown away: its logs may be damaged. Where LevelDB's list of its tables
 * (MANIFEST, CURRENT), or a table, is gone, LevelDB lists those that are there, and puts them together: only then the
 * newest that it has of a key is what it finds. What was in a table that is gone is missing without a word, and older
 * records stand in its place.
 *
 * @param of the directory that it is a view of, for errors
 * @param isListed false: there is no list of the tables that are there, and LevelDB would write over some
 * @throws TrustError DATA_LOCKED, DATA_DAMAGED
 */
export async function openViewLevel(
  view: string,
  of: string,
  isListed: boolean,
): Promise<{ level: Level<Buffer, Buffer>; relisted: boolean }> {
  try {
    if (isListed) return { level: await openLevel(view, false, of), relisted: false }
  } catch (error) {
    const { code, cause } = error as TrustError
    if (code !== 'DATA_DAMAGED' || isOfThePlace(cause as Error)) throw error
  }
  await relist(view).catch((error: unknown) => {
    throw unopened(of, error as Error)
  })
  const level = await openLevel(view, false, of)
  await (level as unknown as OfClassicLevel).compactRange(FIRST_KEY, LAST_KEY)
  return { level, relisted: true }
}
