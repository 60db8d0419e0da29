import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damageIn, fileError } from '../../errors.ts'
import { PLACE_HINT } from '../hints.ts'
import { isBlockWhole, isTooLong, isTrap, namedIn, placesIn, type Holds, type Place } from '../leveldb/table-file.ts'
import { tablesNow } from '../leveldb/table-list.ts'
import { withoutBlocking } from '../without-blocking.ts'
import { mustBeSafeToOpen } from './open-level.ts'

/** Damage to a file of the database. */
export interface Damage {
  /** A sentence for people. */
  readonly text: string
  /** Set if reading it may end the process. */
  readonly trap?: Trap
}

/** Damage at which LevelDB may end the process that reads it. */
interface Trap {
  /** Path of the table. */
  readonly path: string
  /** Offsets to set to UNREADABLE, so that LevelDB reports an error instead (`disarm.ts`). None if the disk is at fault. */
  readonly marks: readonly number[]
}

/**
 * Checks the tables of a database against their checksums, as LevelDB does not when it reads them. Works without LevelDB,
 * so that no damage can end the process, and while the database is in use: tables are written once. Skips a table that is
 * removed meanwhile, since its content is in others.
 *
 * @returns for each table its damage, or undefined if it is whole; other waiting work runs in between
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function* checkTables(directory: string): AsyncGenerator<Damage | undefined> {
  const listed = tablesNow(directory)
  if (listed === undefined) {
    yield { text: `the list of tables of the database in ${directory} cannot be read` }
    return
  }
  // One buffer for all tables: those that wait for the garbage collector would take megabytes each.
  let buffer = Buffer.alloc(0)
  for (const number of listed) {
    const name = `${String(number).padStart(6, '0')}.ldb`
    try {
      await using file = await open(join(directory, name))
      const { size } = await file.stat()
      // One byte more than its size, so that the read covers the whole file.
      if (buffer.length <= size) buffer = Buffer.allocUnsafeSlow(size + 1)
      const { bytesRead } = await file.read(buffer, 0, size + 1, 0)
      yield await damageOfTable(join(directory, name), buffer.subarray(0, bytesRead))
    } catch (error) {
      const isListed = (): boolean => tablesNow(directory)?.has(number) === true
      yield damageOfPlace(join(directory, name), error as NodeJS.ErrnoException, isListed)
    }
  }
}

/** Returns all damage to tables, and damage that would prevent the next start. @throws TrustError STORE_UNAVAILABLE */
export async function damagedFiles(directory: string): Promise<Damage[]> {
  const found = [damageToOpening(directory)]
  for await (const damage of checkTables(directory)) found.push(damage)
  return found.filter((damage) => damage !== undefined)
}

export function hasTrap(found: readonly Damage[]): boolean {
  return found.some(({ trap }) => trap !== undefined)
}

/** Checks logs and list of tables, whose content a running server also has in memory. */
function damageToOpening(directory: string): Damage | undefined {
  try {
    mustBeSafeToOpen(directory)
    return undefined
  } catch (error) {
    return { text: damageIn(error).message }
  }
}

async function damageOfTable(path: string, table: Buffer): Promise<Damage | undefined> {
  const damaged = (what: string, marks: readonly number[] = []): Damage => {
    const text = `the table ${basename(path)} is damaged: ${what} not as written`
    return marks.length === 0 ? { text } : { text, trap: { path, marks } }
  }
  /** Returns the offsets to mark. @param blocks damaged ones */
  const marksOf = (blocks: readonly Place[], holds: Holds): number[] =>
    blocks.filter((place) => isTrap(table, place, holds)).map(({ at, bytes }) => at + bytes)
  let records: Place[]
  let filters: Place[]
  try {
    const { meta, index } = namedIn(table)
    if (isTooLong(table, index) || isTooLong(table, meta)) return damaged('its end is', [table.length - 1])
    if (!isBlockWhole(table, index)) return damaged('its index is', marksOf([index], 'index'))
    if (!isBlockWhole(table, meta)) return damaged('its list of filters is', marksOf([meta], 'filters'))
    records = placesIn(table, index)
    filters = placesIn(table, meta)
  } catch (error) {
    if (error instanceof RangeError) return damaged('its end is')
    throw error
  }
  const wrong: { [holds in 'records' | 'filters']: Place[] } = { records: [], filters: [] }
  for await (const place of withoutBlocking(records)) if (!isBlockWhole(table, place)) wrong.records.push(place)
  for (const place of filters) if (!isBlockWhole(table, place)) wrong.filters.push(place)
  const count = wrong.records.length + wrong.filters.length
  if (count === 0) return undefined
  const what = `${count} of ${records.length + filters.length} blocks ${count === 1 ? 'is' : 'are'}`
  return damaged(what, [...marksOf(wrong.records, 'records'), ...marksOf(wrong.filters, 'filters')])
}

function damageOfPlace(path: string, error: NodeJS.ErrnoException, isListed: () => boolean): Damage | undefined {
  switch (error.code) {
    case 'ENOENT':
      return isListed() ? { text: `the table ${basename(path)} is gone` } : undefined
    case 'EIO':
      // LevelDB maps its tables into memory, where an unreadable page ends the process.
      return { text: `the table ${basename(path)} cannot be read: ${error.message}`, trap: { path, marks: [] } }
    default:
      throw fileError('STORE_UNAVAILABLE', `cannot look at ${path}`, error, PLACE_HINT)
  }
}
