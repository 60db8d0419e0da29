import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damageIn, fileError, TrustError } from '../errors.ts'
import { PLACE_HINT, REPAIR_HINT } from './hints.ts'
import { inTurns } from './journal-reader.ts'
import { mustBeFitToOpen } from './open-level.ts'
import { isBlockWhole, isTooLong, isTrap, namedIn, placesIn, type Place } from './table-file.ts'
import { tablesListed } from './table-list.ts'

/** What is wrong with a file of the database. */
export interface Damage {
  /** A sentence for people. */
  readonly text: string
  /** True: LevelDB may end the process that reads it. */
  readonly isTrap: boolean
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
  const listed = tablesListed(directory)
  if (listed === undefined) {
    yield { text: `the list of tables of the database in ${directory} cannot be read`, isTrap: false }
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
      yield await damageOfTable(name, buffer.subarray(0, bytesRead))
    } catch (error) {
      const isListed = (): boolean => tablesListed(directory)?.has(number) === true
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

/** For whoever is about to read all of it, or to let LevelDB put tables together. @throws TrustError CORRUPT, STORE_UNAVAILABLE */
export async function mustHaveNoTrap(directory: string): Promise<void> {
  for await (const damage of lookAtTables(directory)) {
    if (damage?.isTrap === true) throw new TrustError('CORRUPT', damage.text, { hint: REPAIR_HINT })
  }
}

export function hasTrap(found: readonly Damage[]): boolean {
  return found.some(({ isTrap }) => isTrap)
}

/** Logs and the list of tables: what they hold a server that runs has in its memory, too. */
function damageToOpening(directory: string): Damage | undefined {
  try {
    mustBeFitToOpen(directory)
    return undefined
  } catch (error) {
    return { text: damageIn(error).message, isTrap: false }
  }
}

async function damageOfTable(name: string, table: Buffer): Promise<Damage | undefined> {
  const damaged = (what: string, trap: boolean): Damage => {
    const end = trap ? ', and may end the process that reads it' : ''
    return { text: `the table ${name} is damaged: ${what} not as written${end}`, isTrap: trap }
  }
  let records: Place[]
  let filters: Place[]
  try {
    const { meta, index } = namedIn(table)
    if (isTooLong(table, index) || isTooLong(table, meta)) return damaged('its end is', true)
    if (!isBlockWhole(table, index)) return damaged('its index is', isTrap(table, index, 'index'))
    if (!isBlockWhole(table, meta)) return damaged('its list of filters is', isTrap(table, meta, 'filters'))
    records = placesIn(table, index)
    filters = placesIn(table, meta)
  } catch (error) {
    if (error instanceof RangeError) return damaged('its end is', false)
    throw error
  }
  const blocks = [...records, ...filters]
  const wrong: Place[] = []
  for await (const place of inTurns(blocks)) if (!isBlockWhole(table, place)) wrong.push(place)
  if (wrong.length === 0) return undefined
  const trap = wrong.some((place) => isTrap(table, place, filters.includes(place) ? 'filters' : 'records'))
  return damaged(`${wrong.length} of ${blocks.length} blocks ${wrong.length === 1 ? 'is' : 'are'}`, trap)
}

function damageOfPlace(path: string, error: NodeJS.ErrnoException, isListed: () => boolean): Damage | undefined {
  switch (error.code) {
    case 'ENOENT':
      return isListed() ? { text: `the table ${basename(path)} is gone`, isTrap: false } : undefined
    case 'EIO':
      // LevelDB has tables mapped: what cannot be read there ends the process.
      return { text: `the table ${basename(path)} cannot be read: ${error.message}`, isTrap: true }
    default:
      throw fileError('STORE_UNAVAILABLE', `cannot look at ${path}`, error, PLACE_HINT)
  }
}
