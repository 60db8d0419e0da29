import type { Level } from 'level'
import { TrustError } from '../../errors.ts'
import { DAMAGED_HINT, PLACE_HINT } from '../hints.ts'
import { nameOf } from '../keyspace.ts'
import { openRecord } from './record.ts'

/** A range of keys; without bounds, from the first to the last. */
interface Range {
  readonly gte?: Buffer
  readonly gt?: Buffer
  readonly lt?: Buffer
  readonly reverse?: boolean
  readonly limit?: number
}

/** Reads records from the live database or a snapshot of it, and checks each against its own hash. */
export class Records {
  readonly #level: () => Level<Buffer, Buffer>
  readonly #options: { readonly snapshot?: ReturnType<Level['snapshot']> }

  /** @param level called at each read, since the database may have been reopened */
  constructor(level: () => Level<Buffer, Buffer>, options: { readonly snapshot?: ReturnType<Level['snapshot']> } = {}) {
    this.#level = level
    this.#options = options
  }

  /** @returns the payload, checked @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  get(key: Buffer): Buffer | undefined {
    const record = this.raw(key)
    return record === undefined ? undefined : openRecord(key, record)
  }

  /** @returns the record as it is stored, unchecked @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  raw(key: Buffer): Buffer | undefined {
    try {
      return this.#level().getSync(key, this.#options)
    } catch (cause) {
      throw readError(cause, `the record "${nameOf(key)}"`)
    }
  }

  /** Yields records in key order, checked. @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  async *entries(range: Range): AsyncGenerator<{ key: Buffer; payload: Buffer }> {
    for await (const { key, record } of this.rawEntries(range)) yield { key, payload: openRecord(key, record) }
  }

  /** As `entries`, unchecked: for callers that report damage instead of stopping at it. */
  async *rawEntries(range: Range): AsyncGenerator<{ key: Buffer; record: Buffer }> {
    try {
      for await (const [key, record] of this.#level().iterator({ ...range, ...this.#options })) yield { key, record }
    } catch (cause) {
      throw readError(cause)
    }
  }

  /** Yields keys in order, without reading their records. @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  async *keys(range: Range): AsyncGenerator<Buffer> {
    try {
      yield* this.#level().keys({ ...range, ...this.#options })
    } catch (cause) {
      throw readError(cause)
    }
  }
}

/** Translates an error that LevelDB throws. @param what could not be read */
export function readError(cause: unknown, what = 'the database'): unknown {
  if (cause instanceof TrustError) return cause
  const { code } = cause as { code?: string }
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new TrustError('STORE_UNAVAILABLE', 'the database is being reopened', { cause })
  }
  if (isSystemFault(cause as Error)) {
    return new TrustError('STORE_UNAVAILABLE', `${what} cannot be read at the moment`, { hint: PLACE_HINT, cause })
  }
  return new TrustError('CORRUPT', `${what} cannot be read`, { hint: DAMAGED_HINT, cause })
}

/** System errors as LevelDB passes them on. Nothing is damaged; restoring a backup would only lose commits. */
const SYSTEM_FAULT =
  /No space left|quota exceeded|File too large|Permission denied|Too many open files|Cannot allocate memory|Read-only file system/i

/** True if the system is at fault, not the stored data. */
export function isSystemFault({ message }: { readonly message: string }): boolean {
  return SYSTEM_FAULT.test(message)
}
