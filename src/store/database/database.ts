import type { Level } from 'level'
import { withoutBlocking } from '../without-blocking.ts'
import { lockedError, mustBeSafeToOpen, mustHaveCurrent, openLevel, openWithLogs } from './open-level.ts'
import { sealRecord } from './record.ts'
import { readError, Records } from './records.ts'

/** The most changes handed to LevelDB at once; the removal of a repository with years of history has more. */
const AT_ONCE_MAX = 2_000

/** One change of a batch: a write or, without payload and `asFound`, a delete. */
export interface Write {
  readonly key: Buffer
  readonly payload?: Buffer
  /** Instead of a payload: a damaged record, written as it was found so that readers go on refusing it. */
  readonly asFound?: Buffer
}

/** Directories of the databases that this thread has open for writing. */
const written = new Set<string>()

/** LevelDB, with every record hashed and every error translated. Never creates a database by opening, and never repairs. */
export class Database extends Records {
  readonly directory: string
  #level: Level<Buffer, Buffer>
  readonly #openAgain: () => Promise<Level<Buffer, Buffer>>

  private constructor(
    directory: string,
    level: Level<Buffer, Buffer>,
    openAgain: () => Promise<Level<Buffer, Buffer>>,
  ) {
    super(() => this.#level)
    this.directory = directory
    this.#level = level
    this.#openAgain = openAgain
  }

  /**
   * Opens a database for writing.
   *
   * @param create true to make a new database and fail if there is one; false to fail if there is none
   * @throws TrustError DATA_MISSING, DATA_EXISTS, DATA_LOCKED, DATA_DAMAGED
   */
  static async open(directory: string, create: boolean): Promise<Database> {
    await mustHaveCurrent(directory, create)
    // LevelDB's lock keeps out other processes, but not other threads of this one, of which only one may write.
    if (written.has(directory)) throw lockedError(directory)
    if (!create) mustBeSafeToOpen(directory)
    const level = create ? await openLevel(directory, true) : await openWithLogs(directory)
    written.add(directory)
    return new Database(directory, level, () => openWithLogs(directory))
  }

  /**
   * Opens another handle on a database that this process has open, for reading in another thread.
   *
   * @throws TrustError DATA_LOCKED, DATA_DAMAGED
   */
  static async share(directory: string): Promise<Database> {
    const open = (): Promise<Level<Buffer, Buffer>> => openLevel(directory, false)
    return new Database(directory, await open(), open)
  }

  /** Writes all changes or none; they are on the disk when it resolves. If it throws, they may or may not be written. */
  async write(writes: readonly Write[]): Promise<void> {
    if (writes.length > AT_ONCE_MAX) return this.#writeMany(writes)
    const operations = writes.map((write) => {
      const { key } = write
      const value = recordOf(write)
      return value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }
    })
    await this.#level.batch(operations, { sync: true })
  }

  /** As `write`, but lets other waiting work run while it builds the batch. */
  async #writeMany(writes: readonly Write[]): Promise<void> {
    const batch = this.#level.batch()
    try {
      for await (const write of withoutBlocking(writes)) {
        const value = recordOf(write)
        if (value === undefined) batch.del(write.key)
        else batch.put(write.key, value)
      }
      await batch.write({ sync: true })
    } finally {
      await batch.close()
    }
  }

  /**
   * Returns a snapshot of all records. The caller closes it: an open one keeps disk space in use.
   *
   * @throws TrustError STORE_UNAVAILABLE
   */
  snapshot(): Records & { close(): Promise<void> } {
    const level = this.#level
    try {
      const snapshot = level.snapshot()
      return Object.assign(new Records(() => level, { snapshot }), { close: () => snapshot.close() })
    } catch (cause) {
      throw readError(cause)
    }
  }

  /** Closes the database and opens it again: after a failed write nothing else is safe. */
  async reopen(): Promise<void> {
    await this.#level.close()
    this.#level = await this.#openAgain()
  }

  async close(): Promise<void> {
    await this.#level.close()
    written.delete(this.directory)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Returns the record that a change writes; undefined for a delete. */
function recordOf({ key, payload, asFound }: Write): Buffer | undefined {
  return payload === undefined ? asFound : sealRecord(key, payload)
}
