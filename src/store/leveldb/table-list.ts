import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { varint } from './varint.ts'
import { recordsIn, wholeBatches } from './write-ahead-log.ts'

/** LevelDB's tables, and the log that follows them, as its list (MANIFEST) names them: by their numbers. */
interface TableList {
  /** Name of the list's file. */
  readonly name: string
  readonly tables: ReadonlySet<number>
  readonly log: number
  /** False: what follows cannot be read, or is being written. */
  readonly isWhole: boolean
}

/** What stands before each member of a change of the list (LevelDB's db/version_edit.cc). */
const COMPARATOR = 1
const LOG = 2
const NEXT_FILE = 3
const LAST_SEQUENCE = 4
const COMPACTION = 5
const REMOVED = 6
const ADDED = 7
const LOG_BEFORE = 9

/**
 * LevelDB takes tables that its list does not know for what a crash left: it removes them when it opens the database, or
 * writes others in their place. After a crash the log that the list names is there, with all that such a table has. Where it
 * is gone, too, the list has lost its end, or is an older one, and those tables are the only ones that have what is in them.
 *
 * @throws TrustError DATA_DAMAGED; nothing was changed
 */
export function mustKnowItsTables(directory: string): void {
  const list = readTableList(directory)
  if (list === undefined || hasItsLog(directory, list)) return
  const unknown = tablesIn(directory).filter((number) => !list.tables.has(number)).length
  if (unknown === 0) return
  const now = readTableList(directory)
  // Another process has the database open, which is told when it is opened.
  if (now?.name !== list.name || now.log !== list.log) return
  const what = unknown === 1 ? '1 table that is there is' : `${unknown} tables that are there are`
  const text = `the list of tables ${list.name} of the database in ${directory} has lost its end: ${what} not in it`
  throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
}

/** The tables that make up the database now, beside whoever writes it too; undefined: the list cannot be read to its end. */
export function tablesNow(directory: string): ReadonlySet<number> | undefined {
  return tablesIf(directory, ({ isWhole }) => isWhole)
}

/** The tables of a list that LevelDB can follow: they are there, and so is the log; undefined: it can follow none. */
export function tablesToFollow(directory: string): ReadonlySet<number> | undefined {
  return tablesIf(directory, (list) => {
    return hasItsLog(directory, list) && list.tables.isSubsetOf(new Set(tablesIn(directory)))
  })
}

/** Looked at twice: whoever has the database open may be writing its list at this moment. */
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

/** @param name of its file */
export function tableNumber(name: string): number {
  return parseInt(name, 10)
}

function tablesIn(directory: string): number[] {
  return readdirSync(directory).filter(isTable).map(tableNumber)
}

/** @returns undefined if there is none that can be read */
function readTableList(directory: string): TableList | undefined {
  try {
    const name = readFileSync(join(directory, 'CURRENT'), 'latin1').trim()
    const tables = new Set<number>()
    let log = 0
    const bytes = readFileSync(join(directory, name))
    for (const change of wholeBatches(bytes)) log = follow(change, tables) ?? log
    return { name, tables, log, isWhole: [...recordsIn(bytes)].every(({ isWhole }) => isWhole) }
  } catch {
    // LevelDB says so itself.
    return undefined
  }
}

/** @returns the log that it names, if it does @throws RangeError for what is no such change */
function follow(change: Buffer, tables: Set<number>): number | undefined {
  let at = 0
  let log: number | undefined
  const next = (): number => {
    const [value, end] = varint(change, at)
    at = end
    return value
  }
  const skipText = (): void => {
    const length = next()
    at += length
  }
  while (at < change.length) {
    switch (next()) {
      case COMPARATOR:
        skipText()
        break
      case LOG:
        log = next()
        break
      case NEXT_FILE:
      case LAST_SEQUENCE:
      case LOG_BEFORE:
        next()
        break
      case COMPACTION:
        next()
        skipText()
        break
      case REMOVED:
        next()
        tables.delete(next())
        break
      case ADDED:
        next()
        tables.add(next())
        next()
        skipText()
        skipText()
        break
      default:
        throw new RangeError('no change of the list of tables')
    }
  }
  return log
}
