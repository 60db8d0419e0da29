import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damageIn, fileError } from '../../errors.ts'
import { PLACE_HINT } from '../hints.ts'
import { inTurns } from '../in-turns.ts'
import { isBlockWhole, isTooLong, isTrap, namedIn, placesIn, type Holds, type Place } from '../leveldb/table-file.ts'
import { tablesNow } from '../leveldb/table-list.ts'
import { mustBeFitToOpen } from './open-level.ts'

/** What is wrong with a file of the database. */
export interface Damage {
  /** A sentence for people. */
  readonly text: string
  /** Left out: nothing in it ends the process that reads it. */
  readonly trap?: Trap
}

/** What LevelDB may end the process for that reads it. */
interface Trap {
  /** Of the table. */
  readonly path: string
  /** Bytes of it that tell LevelDB, as UNREADABLE, what it cannot read (`disarm.ts`). None: it is the disk that fails. */
  readonly marks: readonly number[]
}

/**
 * Hold the tables of a database against their checksums, as LevelDB does not when it reads them: without it, so that nothing
 * in them can do harm, and beside whoever writes there. They are written once; one that is removed meanwhile, since what it
 * held is in others, is passed over.
 *
 * @returns for each table, in turns with whatever else waits, what is wrong with it; undefined: nothing
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function* lookAtTables(directory: string): AsyncGenerator<Damage | undefined> {
  const listed = tablesNow(directory)
  if (listed === undefined) {
    yield { text: `the list of tables of the database in ${directory} cannot be read` }
    return
  }
  // One for all: each that waited for the collector would be megabytes.
  let buffer = Buffer.alloc(0)
  for (const number of listed) {
    const name = `${String(number).padStart(6, '0')}.ldb`
    try {
      await using file = await open(join(directory, name))
      const { size } = await file.stat()
      // One more byte than there should be: it is read to its end.
      if (buffer.length <= size) buffer = Buffer.allocUnsafeSlow(size + 1)
      const { bytesRead } = await file.read(buffer, 0, size + 1, 0)
      yield await damageOfTable(join(directory, name), buffer.subarray(0, bytesRead))
    } catch (error) {
      const isListed = (): boolean => tablesNow(directory)?.has(number) === true
      yield damageOfPlace(join(directory, name), error as NodeJS.ErrnoException, isListed)
    }
  }
}

/** All that is wrong: with tables, and with what the next start would be refused for. @throws TrustError STORE_UNAVAILABLE */
export async function damagedFiles(directory: string): Promise<Damage[]> {
  const found = [damageToOpening(directory)]
  for await (const damage of lookAtTables(directory)) found.push(damage)
  return found.filter((damage) => damage !== undefined)
}

export function hasTrap(found: readonly Damage[]): boolean {
  return found.some(({ trap }) => trap !== undefined)
}

/** Logs and the list of tables: what they hold a server that runs has in its memory, too. */
function damageToOpening(directory: string): Damage | undefined {
  try {
    mustBeFitToOpen(directory)
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
  /** @param blocks damaged ones */
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
  for await (const place of inTurns(records)) if (!isBlockWhole(table, place)) wrong.records.push(place)
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
      // LevelDB has tables mapped: what cannot be read there ends the process.
      return { text: `the table ${basename(path)} cannot be read: ${error.message}`, trap: { path, marks: [] } }
    default:
      throw fileError('STORE_UNAVAILABLE', `cannot look at ${path}`, error, PLACE_HINT)
  }
}
