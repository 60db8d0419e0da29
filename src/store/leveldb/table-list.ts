import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { varint } from './varint.ts'
import { recordsIn, wholeBatches } from './write-ahead-log.ts'

/** The numbers of LevelDB's tables, and of the log that follows them, from its list (MANIFEST). */
interface TableList {
  /** File name of the list. */
  readonly name: string
  readonly tables: ReadonlySet<number>
  readonly log: number
  /** The highest sequence number of a change that is in a table. */
  readonly sequence: number
  /** False if the rest of the list cannot be read, or is being written. */
  readonly isWhole: boolean
}

/** Tags of the members of a change to the list that matter here (LevelDB's db/version_edit.cc). */
const LOG = 2
const SEQUENCE = 4
const REMOVED = 6
const ADDED = 7
type Field = 'number' | 'text'
/** What follows each tag. */
const FIELDS: ReadonlyMap<number, readonly Field[]> = new Map<number, readonly Field[]>([
  [1, ['text']], // comparator
  [LOG, ['number']],
  [3, ['number']], // next file
  [SEQUENCE, ['number']],
  [5, ['number', 'text']], // compaction: level, key
  [REMOVED, ['number', 'number']], // level, table
  [ADDED, ['number', 'number', 'number', 'text', 'text']], // level, table, bytes, first key, last key
  [9, ['number']], // log before
])

/**
 * Throws if LevelDB's list of its tables has lost its end or is an old one. LevelDB takes tables that are not in its list
 * for leftovers of a crash, and removes or overwrites them when it opens the database. After a real crash the log that the
 * list names still exists, with everything that such a table has. If that log is gone, the tables are the only copy.
 *
 * @throws TrustError DATA_DAMAGED; nothing was changed
 */
export function mustListAllTables(directory: string): void {
  const list = readTableList(directory)
  if (list === undefined || hasItsLog(directory, list)) return
  const unknown = tablesIn(directory).filter((number) => !list.tables.has(number)).length
  if (unknown === 0) return
  const now = readTableList(directory)
  // If the list has changed, another process has the database open; opening it will report that.
  if (now?.name !== list.name || now.log !== list.log) return
  const what = unknown === 1 ? '1 existing table is' : `${unknown} existing tables are`
  const text = `the list of tables ${list.name} of the database in ${directory} has lost its end: ${what} not in it`
  throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
}

/** Returns the tables of the database, which may be in use; undefined if the list cannot be read to its end. */
export function tablesNow(directory: string): ReadonlySet<number> | undefined {
  return tablesIf(directory, ({ isWhole }) => isWhole)
}

/**
 * Returns how far the tables of an open database reach: the sequence number of their newest change, and the number of the
 * log that follows them.
 *
 * @throws Error if the list cannot be read
 */
export function listReached(directory: string): Pick<TableList, 'sequence' | 'log'> {
  const list = readTableList(directory)
  if (list === undefined) throw new Error('its list of tables cannot be read')
  return list
}

/** Returns the tables of a list that LevelDB can follow, since tables and log exist; undefined if it cannot. */
export function tablesToFollow(directory: string): ReadonlySet<number> | undefined {
  return tablesIf(directory, (list) => {
    return hasItsLog(directory, list) && list.tables.isSubsetOf(new Set(tablesIn(directory)))
  })
}

/** Reads the list up to twice: whoever has the database open may be writing it at this moment. */
function tablesIf(directory: string, isFit: (list: TableList) => boolean): ReadonlySet<number> | undefined {
  const looks = [1, 2].values().map(() => readTableList(directory))
  return looks.find((list) => list !== undefined && isFit(list))?.tables
}

function hasItsLog(directory: string, { log }: TableList): boolean {
  return existsSync(join(directory, `${String(log).padStart(6, '0')}.log`))
}

export function isTable(name: string): boolean {
  return /^\d+\.(?:ldb|sst)$/.test(name)
}

/** Returns the number of a table. @param name of its file */
export function tableNumber(name: string): number {
  return parseInt(name, 10)
}

function tablesIn(directory: string): number[] {
  return readdirSync(directory).filter(isTable).map(tableNumber)
}

/** Reads the list. @returns undefined if there is none that can be read */
function readTableList(directory: string): TableList | undefined {
  try {
    const name = readFileSync(join(directory, 'CURRENT'), 'latin1').trim()
    const found = { tables: new Set<number>(), log: 0, sequence: 0 }
    const bytes = readFileSync(join(directory, name))
    for (const change of wholeBatches(bytes)) follow(change, found)
    return { name, ...found, isWhole: [...recordsIn(bytes)].every(({ isWhole }) => isWhole) }
  } catch {
    // LevelDB will report the error itself.
    return undefined
  }
}

/** Applies a change to the list. @throws RangeError if it is malformed */
function follow(change: Buffer, list: { readonly tables: Set<number>; log: number; sequence: number }): void {
  let at = 0
  /** Reads a number, or skips a text. @returns the number, or the length of the text */
  const read = (field: Field): number => {
    const [value, end] = varint(change, at)
    at = field === 'text' ? end + value : end
    return value
  }
  while (at < change.length) {
    const tag = read('number')
    const [first, second = 0] = FIELDS.get(tag)?.map(read) ?? []
    if (first === undefined) throw new RangeError('no change of the list of tables')
    if (tag === LOG) list.log = first
    if (tag === SEQUENCE) list.sequence = first
    if (tag === REMOVED) list.tables.delete(second)
    if (tag === ADDED) list.tables.add(second)
  }
}
