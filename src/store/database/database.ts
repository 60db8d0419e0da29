import type { Level } from 'level'
import { inTurns } from '../in-turns.ts'
import { locked, mustBeFitToOpen, mustHaveCurrent, openLevel } from './open-level.ts'
import { sealRecord } from './record.ts'
import { readError, Records } from './records.ts'

/** Changes of one batch that are handed to LevelDB in one go: the removal of a repository with years of history has more. */
const AT_ONCE_MAX = 2_000

/** One change of a batch; no value: delete. */
export interface Write {
  readonly key: Buffer
  readonly payload?: Buffer
  /** Instead of a payload: a damaged record, to be written as it was found, so that it goes on being refused. */
  readonly asFound?: Buffer
}

/** LevelDB, with every record sealed and every error translated. Never created by opening, never repaired in its place. */
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
    if (!create) mustBeFitToOpen(directory)
    const level = await openLevel(directory, create)
    written.add(directory)
    return new Database(directory, level)
  }

  /** Another handle on a database that this process has open: for reading, in another thread. */
  static async share(directory: string): Promise<Database> {
    return new Database(directory, await openLevel(directory, false))
  }

  /** All of it or nothing, on disk when it resolves. What it throws is unknown to have happened or not. */
  async write(writes: readonly Write[]): Promise<void> {
    if (writes.length > AT_ONCE_MAX) return this.#writeMany(writes)
    const operations = writes.map((write) => {
      const { key } = write
      const value = recordOf(write)
      return value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }
    })
    await this.#level.batch(operations, { sync: true })
  }

  /** The same; while it is put together others have their turn. */
  async #writeMany(writes: readonly Write[]): Promise<void> {
    const batch = this.#level.batch()
    try {
      for await (const write of inTurns(writes)) {
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
   * All records as they are now, whatever is written from now on. To be closed: an open one keeps disk space.
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

/** The record that a change writes; undefined: it deletes one. */
function recordOf({ key, payload, asFound }: Write): Buffer | undefined {
  return payload === undefined ? asFound : sealRecord(key, payload)
}

/** Directories of the databases that this thread writes. */
const written = new Set<string>()
