import { Level } from 'level'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { TrustError } from '../errors.ts'
import { PLACE_HINT, REPAIR_HINT } from './hints.ts'
import { sealRecord } from './record.ts'
import { isOfThePlace, Records } from './records.ts'
import { isTable, mustKnowItsTables } from './table-list.ts'
import { isLog, mustHaveWholeLogs } from './write-ahead-log.ts'

/** What LevelDB gathers in memory before it writes a table; it has two of them at most, bytes. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024

/** One change of a batch; no value: delete. */
export interface Write {
  readonly key: Buffer
  readonly payload?: Buffer
  /** Instead of a payload: a damaged record, to be written as it was found, so that it goes on being refused. */
  readonly asFound?: Buffer
}

/**
 * LevelDB, with every record sealed and every error translated. Never created by opening; never repaired, but for a view;
 * the LOCK file is never read, since closing it would drop the lock.
 */
export class Database extends Records {
  readonly directory: string
  #level: Level<Buffer, Buffer>

  private constructor(directory: string, level: Level<Buffer, Buffer>) {
    super(() => this.#level)
    this.directory = directory
    this.#level = level
  }

  /**
   * @param create true: make a new database, and fail if there is one; false: open, and fail if there is none
   * @throws TrustError DATA_MISSING, DATA_EXISTS, DATA_LOCKED, DATA_DAMAGED
   */
  static async open(directory: string, create: boolean): Promise<Database> {
    await mustHaveCurrent(directory, create)
    // LevelDB's lock keeps other processes out; of this one it lets in every thread, of which one alone writes.
    if (written.has(directory)) throw locked(directory)
    if (!create) lookFirst(directory)
    const level = await openLevel(directory, create)
    written.add(directory)
    return new Database(directory, level)
  }

  /** Another handle on a database that this process has open: for reading, in another thread. */
  static async share(directory: string): Promise<Database> {
    return new Database(directory, await openLevel(directory, false))
  }

  /**
   * Open a view (`repair/view.ts`): its logs may be damaged, and it is thrown away. Where LevelDB's list of its tables
   * (MANIFEST, CURRENT), or a table, is gone, LevelDB lists those that are there, and puts them together: only then the
   * newest that it has of a key is what it finds. What was in a table that is gone is missing without a word, and older
   * records stand in its place.
   *
   * @param of the directory that it is a view of, for errors
   * @param isListed false: there is no list of the tables that are there, and LevelDB would write over some
   * @throws TrustError DATA_LOCKED, DATA_DAMAGED
   */
  static async openView(
    directory: string,
    of: string,
    isListed: boolean,
  ): Promise<{ database: Database; relisted: boolean }> {
    try {
      if (isListed) return { database: new Database(directory, await openLevel(directory, false, of)), relisted: false }
    } catch (error) {
      const { code, cause } = error as TrustError
      if (code !== 'DATA_DAMAGED' || isOfThePlace(cause as Error)) throw error
    }
    const level = await relist(directory).then(
      () => openLevel(directory, false, of),
      (error: unknown) => {
        throw unopened(of, error as Error)
      },
    )
    await (level as unknown as OfClassicLevel).compactRange(FIRST_KEY, LAST_KEY)
    return { database: new Database(directory, level), relisted: true }
  }

  /** All of it or nothing, on disk when it resolves. What it throws is unknown to have happened or not. */
  async write(writes: readonly Write[]): Promise<void> {
    const operations = writes.map(({ key, payload, asFound }) => {
      const value = payload === undefined ? asFound : sealRecord(key, payload)
      return value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }
    })
    await this.#level.batch(operations, { sync: true })
  }

  /** All records as they are now, whatever is written from now on. To be closed: an open one keeps disk space. */
  snapshot(): Records & { close(): Promise<void> } {
    const level = this.#level
    const snapshot = level.snapshot()
    return Object.assign(new Records(() => level, { snapshot }), { close: () => snapshot.close() })
  }

  /** Close and open again: after a failed write nothing else is safe. */
  async reopen(): Promise<void> {
    await this.#level.close()
    this.#level = await openLevel(this.directory, false)
  }

  async close(): Promise<void> {
    await this.#level.close()
    written.delete(this.directory)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What the types of `level` leave out: browsers have none of it. */
interface OfClassicLevel {
  compactRange(first: Buffer, last: Buffer): Promise<void>
}
const { repair: relist } = Level as unknown as { repair: (this: void, directory: string) => Promise<void> }

/** Bounds of all keys: they begin with a letter. */
const [FIRST_KEY, LAST_KEY] = [Buffer.of(0), Buffer.of(0xff)]

/** Directories of the databases that this thread writes. */
const written = new Set<string>()

/** @param named the directory that errors name */
async function openLevel(directory: string, create: boolean, named = directory): Promise<Level<Buffer, Buffer>> {
  const level = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: create,
    errorIfExists: create,
    // Twice LevelDB's own: half as many compactions of what is newest, a twelfth less CPU for a publish.
    writeBufferSize: WRITE_BUFFER_BYTES,
    // Other threads of this process may open it too.
    multithreading: true,
  })
  try {
    await level.open()
    return level
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const { code, message } = cause as { code?: string; message: string }
    if (code === 'LEVEL_LOCKED') throw locked(named, cause)
    if (create && message.includes('exists')) {
      throw new TrustError('DATA_EXISTS', `there is a database in ${directory} already`, { cause })
    }
    throw unopened(named, cause as Error)
  }
}

function unopened(directory: string, cause: { readonly message: string }): TrustError {
  const { message } = cause
  return new TrustError('DATA_DAMAGED', `the database in ${directory} cannot be opened: ${message}`, {
    hint: isOfThePlace(cause) ? `${PLACE_HINT}, and start again` : REPAIR_HINT,
    cause,
  })
}

function locked(directory: string, cause?: unknown): TrustError {
  return new TrustError('DATA_LOCKED', `another process uses the database in ${directory}`, {
    hint: 'stop the other countersign process, or give this one another dataDirectory',
    cause,
  })
}

/** Opening a database changes it: what LevelDB would throw away without a word is looked for before. */
function lookFirst(directory: string): void {
  try {
    mustHaveWholeLogs(directory)
    mustKnowItsTables(directory)
  } catch (error) {
    throw error instanceof TrustError ? error : unopened(directory, error as Error)
  }
}

/**
 * With CURRENT gone LevelDB takes a directory for empty, and would delete the tables of what was there.
 *
 * @throws TrustError DATA_DAMAGED, DATA_MISSING
 */
export async function mustHaveCurrent(directory: string, create: boolean): Promise<void> {
  if (existsSync(join(directory, 'CURRENT'))) return
  if (await holdsRecords(directory)) {
    const text = `the database in ${directory} has lost its CURRENT file`
    throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
  }
  if (create) return
  const text = `there is no database in ${directory}`
  throw new TrustError('DATA_MISSING', text, { hint: 'check the setting dataDirectory' })
}

/** True if LevelDB ever wrote a record here: its tables and logs come after CURRENT. */
async function holdsRecords(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => [])
  return names.some((name) => isTable(name) || isLog(name))
}
