import { Level } from 'level'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../../atomic-file.ts'
import { fileError, isMissing, TrustError } from '../../errors.ts'
import { PLACE_HINT, REPAIR_HINT } from '../hints.ts'
import { forgetLogs, keepLogs, putBackIgnored } from '../leveldb/kept-logs.ts'
import { isTable, mustListAllTables } from '../leveldb/table-list.ts'
import { isLog, mustHaveWholeLogs } from '../leveldb/write-ahead-log.ts'
import { isSystemFault } from './records.ts'

/** Bytes that LevelDB collects in memory before it writes a table; it has at most two such buffers. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024

/**
 * Opens LevelDB, to make a database or use an existing one. Never read the LOCK file: closing it would drop the lock.
 *
 * @param create true to make a new database and fail if there is one; false to fail if there is none
 * @param named the directory to name in errors
 * @throws TrustError DATA_LOCKED, DATA_EXISTS, DATA_DAMAGED
 */
export async function openLevel(directory: string, create: boolean, named = directory): Promise<Level<Buffer, Buffer>> {
  const level = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: create,
    errorIfExists: create,
    // Twice LevelDB's default: half as many compactions of new tables, a twelfth less CPU per publish.
    writeBufferSize: WRITE_BUFFER_BYTES,
    // Other threads of this process may open it too.
    multithreading: true,
  })
  try {
    await level.open()
    // LevelDB has renamed CURRENT last, and leaves it to the file system when that is on the disk.
    if (create) await syncDirectory(directory)
    return level
  } catch (error) {
    await level.close()
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const { code, message } = cause as { code?: string; message: string }
    if (code === 'LEVEL_LOCKED') throw lockedError(named, cause)
    if (create && message.includes('exists')) {
      throw new TrustError('DATA_EXISTS', `there is already a database in ${directory}`, { cause })
    }
    throw openError(named, cause as Error)
  }
}

/** How often an existing database is opened, if LevelDB ignores its logs. */
const OPENINGS_MAX = 3

/**
 * Opens an existing database, with all that its logs contain.
 *
 * @param named the directory to name in errors
 * @throws TrustError DATA_LOCKED, DATA_DAMAGED; nothing is lost then
 */
export async function openWithLogs(directory: string, named = directory): Promise<Level<Buffer, Buffer>> {
  for (let opening = 1; opening <= OPENINGS_MAX; opening += 1) {
    const kept = attempt(named, () => keepLogs(directory))
    const level = await openLevel(directory, false, named).catch((error: unknown) => {
      // Where it fails, or another process has the database open, LevelDB has deleted nothing.
      forgetLogs(directory, kept)
      throw error
    })
    try {
      if (attempt(named, () => putBackIgnored(directory, (key) => level.getSync(key)))) return level
    } catch (error) {
      await level.close()
      throw error
    }
    await level.close()
  }
  throw openError(named, new Error('LevelDB cannot read its log'))
}

function attempt<T>(named: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw openError(named, error as Error)
  }
}

/** Returns the error for a database that LevelDB cannot open: it is damaged, or the system refused something. */
export function openError(directory: string, cause: { readonly message: string }): TrustError {
  const { message } = cause
  return new TrustError('DATA_DAMAGED', `the database in ${directory} cannot be opened: ${message}`, {
    hint: isSystemFault(cause) ? `${PLACE_HINT}, and start again` : REPAIR_HINT,
    cause,
  })
}

export function lockedError(directory: string, cause?: unknown): TrustError {
  return new TrustError('DATA_LOCKED', `another process uses the database in ${directory}`, {
    hint: 'stop the other countersign process, or give this one another dataDirectory',
    cause,
  })
}

/**
 * Checks logs and list of tables before LevelDB opens them: opening changes the database, and LevelDB silently discards
 * damaged parts.
 *
 * @throws TrustError DATA_DAMAGED
 */
export function mustBeSafeToOpen(directory: string): void {
  try {
    mustHaveWholeLogs(directory)
    mustListAllTables(directory)
  } catch (error) {
    throw error instanceof TrustError ? error : openError(directory, error as Error)
  }
}

/**
 * Throws if the CURRENT file is missing, unless to create a new database: without CURRENT, LevelDB takes the directory for
 * empty and would delete its tables.
 *
 * @throws TrustError DATA_DAMAGED, DATA_MISSING
 */
export async function mustHaveCurrent(directory: string, create: boolean): Promise<void> {
  // Look for CURRENT last: another process may be making the database, and makes CURRENT first.
  const isUsed = await holdsRecords(directory)
  if ((await undefinedIfMissing(directory, stat(join(directory, 'CURRENT')))) !== undefined) return
  if (isUsed) {
    const text = `the database in ${directory} has lost its CURRENT file`
    throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
  }
  if (create) return
  const text = `there is no database in ${directory}`
  throw new TrustError('DATA_MISSING', text, { hint: 'check the setting dataDirectory' })
}

/** True if LevelDB ever wrote a record here: it makes tables and logs only after CURRENT. */
export async function holdsRecords(directory: string): Promise<boolean> {
  const names = (await undefinedIfMissing(directory, readdir(directory))) ?? []
  const sizes = names.filter(isLog).map((name) => undefinedIfMissing(directory, stat(join(directory, name))))
  return names.some(isTable) || (await Promise.all(sizes)).some((found) => found !== undefined && found.size > 0)
}

/** Returns undefined if the path is missing, but not after other errors: a new database could replace an existing one. */
async function undefinedIfMissing<Found>(directory: string, looking: Promise<Found>): Promise<Found | undefined> {
  try {
    return await looking
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw fileError('DATA_DAMAGED', `cannot look into ${directory}`, cause, PLACE_HINT)
  }
}
