import { LimitedMap } from '../memory/limited-map.ts'
import { openRecord } from './database/record.ts'
import type { Records } from './database/records.ts'

/** The most decoded records that each `Recall` keeps. */
const RECALLED_MAX = 1_000

interface Kept<Value> {
  readonly record: Buffer
  readonly value: Value
  /** The number passed to `since` when the record was last read. */
  since?: number
}

/**
 * A cache of recently read records of one kind, decoded. Reads a record's bytes from the database each time (but see
 * `since`); if they are the same as the last time, returns the same object without hashing and decoding again.
 */
export class Recall<Value> {
  readonly #records: Records
  readonly #decode: (payload: Buffer) => Value
  readonly #kept = new LimitedMap<string, Kept<Value>>(RECALLED_MAX)

  constructor(records: Records, decode: (payload: Buffer) => Value) {
    this.#records = records
    this.#decode = decode
  }

  /** @throws TrustError CORRUPT, STORE_UNAVAILABLE */
  get(key: Buffer): Value | undefined {
    const record = this.#records.raw(key)
    if (record === undefined) return undefined
    const name = key.toString('latin1')
    const kept = this.#kept.get(name)
    if (kept?.record.equals(record) === true) return kept.value
    const value = this.#decode(openRecord(key, record))
    this.#kept.set(name, { record, value })
    return value
  }

  /**
   * As `get`, but reads the bytes only if `since` differs from the last time.
   *
   * @param since a number that changes whenever the record does, read before this call
   * @throws TrustError CORRUPT, STORE_UNAVAILABLE
   */
  since(key: Buffer, since: number): Value | undefined {
    const name = key.toString('latin1')
    const kept = this.#kept.get(name)
    if (kept !== undefined && kept.since === since) return kept.value
    const value = this.get(key)
    const read = this.#kept.get(name)
    // If damage has made the record disappear, the kept value is not what was read now.
    if (value !== undefined && read !== undefined) read.since = since
    return value
  }
}
