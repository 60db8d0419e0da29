import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damageIn, fileError } from '../../errors.ts'
import { PLACE_HINT } from '../hints.ts'
import { damageInTable } from '../leveldb/table-damage.ts'
import { tablesNow } from '../leveldb/table-list.ts'
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
  const read = readerOfTables()
  for (const number of listed) {
    const path = join(directory, `${String(number).padStart(6, '0')}.ldb`)
    const isListed = (): boolean => tablesNow(directory)?.has(number) === true
    yield await checkTable(path, read, isListed)
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

type Read = (path: string) => Promise<Buffer>

/** @param isListed true if the database still has this table */
async function checkTable(path: string, read: Read, isListed: () => boolean): Promise<Damage | undefined> {
  try {
    const damage = await damageInTable(await read(path))
    if (damage === undefined) return undefined
    const { what, marks } = damage
    const text = `the table ${basename(path)} is damaged: ${what} not as written`
    return marks.length === 0 ? { text } : { text, trap: { path, marks } }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    switch (code) {
      case 'ENOENT':
        return isListed() ? { text: `the table ${basename(path)} is gone` } : undefined
      case 'EIO':
        // LevelDB maps its tables into memory, where an unreadable page ends the process.
        return { text: `the table ${basename(path)} cannot be read: ${message}`, trap: { path, marks: [] } }
      default:
        throw fileError('STORE_UNAVAILABLE', `cannot look at ${path}`, error, PLACE_HINT)
    }
  }
}

/**
 * Returns a reader of whole files. Each is overwritten by the next one in the same buffer: those that wait for the garbage
 * collector would take megabytes each.
 */
function readerOfTables(): Read {
  let buffer = Buffer.alloc(0)
  return async (path) => {
    await using file = await open(path)
    const { size } = await file.stat()
    // One byte more than its size, so that the read covers the whole file.
    if (buffer.length <= size) buffer = Buffer.allocUnsafeSlow(size + 1)
    const { bytesRead } = await file.read(buffer, 0, size + 1, 0)
    return buffer.subarray(0, bytesRead)
  }
}
