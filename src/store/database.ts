import { Level } from 'level'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { TrustError } from '../errors.ts'
import { openRecord, sealRecord } from './record.ts'

/** One change of a batch; no value: delete. */
export interface Write {
  readonly key: Buffer
  readonly payload?: Buffer
}

interface Range {
  readonly gte?: Buffer
  readonly gt?: Buffer
  readonly lt?: Buffer
  readonly reverse?: boolean
  readonly limit?: number
}

/**
 * LevelDB, with every record sealed and every error translated. Never created by opening; never repaired; the LOCK
 * file is never read, since closing it would drop the lock.
 */
export class Database {
  readonly directory: string
  #level: Level<Buffer, Buffer>

  private constructor(directory: string, level: Level<Buffer, Buffer>) {
    this.directory = directory
    this.#level = level
  }

  /**
   * @param create true: make a new database, and fail if there is one; false: open, and fail if there is none
   * @throws TrustError DATA_MISSING, DATA_EXISTS, DATA_LOCKED, DATA_DAMAGED
   */
  static async open(directory: string, create: boolean): Promise<Database> {
    // With CURRENT gone LevelDB takes a directory for empty, and would delete the tables of what was there.
    if (!create && !(await exists(join(directory, 'CURRENT')))) {
      const damaged = await exists(join(directory, 'LOCK'))
      throw new TrustError(
        damaged ? 'DATA_DAMAGED' : 'DATA_MISSING',
        damaged ? `the database in ${directory} has lost its CURRENT file` : `there is no database in ${directory}`,
        { hint: damaged ? 'restore the data directory from a backup' : 'check the setting dataDirectory' },
      )
    }
    return new Database(directory, await openLevel(directory, create))
  }

  /** @returns the payload, checked @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  get(key: Buffer): Buffer | undefined {
    let record: Buffer | undefined
    try {
      record = this.#level.getSync(key)
    } catch (cause) {
      throw readError(cause)
    }
    return record === undefined ? undefined : openRecord(key, record)
  }

  /** Records in key order, checked. @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  async *entries(range: Range): AsyncGenerator<{ key: Buffer; payload: Buffer }> {
    for await (const { key, record } of this.rawEntries(range)) yield { key, payload: openRecord(key, record) }
  }

  /** The same, unchecked: for the audit, which reports damage instead of stopping at it. */
  async *rawEntries(range: Range): AsyncGenerator<{ key: Buffer; record: Buffer }> {
    try {
      for await (const [key, record] of this.#level.iterator(range)) yield { key, record }
    } catch (cause) {
      throw readError(cause)
    }
  }

  async *keys(range: Range): AsyncGenerator<Buffer> {
    try {
      yield* this.#level.keys(range)
    } catch (cause) {
      throw readError(cause)
    }
  }

  /** All of it or nothing, on disk when it resolves. What it throws is unknown to have happened or not. */
  async write(writes: readonly Write[]): Promise<void> {
    const operations = writes.map(({ key, payload }) =>
      payload === undefined
        ? { type: 'del' as const, key }
        : { type: 'put' as const, key, value: sealRecord(key, payload) },
    )
    await this.#level.batch(operations, { sync: true })
  }

  /** Close and open again: after a failed write nothing else is safe. */
  async reopen(): Promise<void> {
    await this.close()
    this.#level = await openLevel(this.directory, false)
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

async function openLevel(directory: string, create: boolean): Promise<Level<Buffer, Buffer>> {
  const level = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: create,
    errorIfExists: create,
  })
  try {
    await level.open()
    return level
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const { code, message } = cause as { code?: string; message: string }
    if (code === 'LEVEL_LOCKED') {
      throw new TrustError('DATA_LOCKED', `another process uses the database in ${directory}`, {
        hint: 'stop the other countersign process, or give this one another dataDirectory',
        cause,
      })
    }
    if (create && message.includes('exists')) {
      throw new TrustError('DATA_EXISTS', `there is a database in ${directory} already`, { cause })
    }
    throw new TrustError('DATA_DAMAGED', `the database in ${directory} cannot be opened: ${message}`, {
      hint: 'restore the data directory from a backup; do not repair it',
      cause,
    })
  }
}

function readError(cause: unknown): unknown {
  if (cause instanceof TrustError) return cause
  const { code } = cause as { code?: string }
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new TrustError('STORE_UNAVAILABLE', 'the database is being opened again', { cause })
  }
  return new TrustError('CORRUPT', 'the database cannot be read', { cause })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
