import { LimitedMap } from '../memory/limited-map.ts'
import { openRecord } from './database/record.ts'
import type { Records } from './database/records.ts'

/** Decoded records that each `Recall` keeps at most. */
const RECALLED_MAX = 1_000

interface Kept<Value> {
  readonly record: Buffer
  readonly value: Value
  /** The number with which `since` last read it. */
  since?: number
}

/**
 * Records of one kind, decoded, of those that were read lately. A record's bytes are read from the database each time
 * (but see `since`); if they are the same as the last time, the same object is given again, without hashing and
 * decoding.
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
   * The same, but the bytes are read only when `since` is another number than the last time.
   *
   * @param since a number that changes whenever the record does, and that was read before this call
   * @throws TrustError CORRUPT, STORE_UNAVAILABLE
   */
  since(key: Buffer, since: number): Value | undefined {
    const name = key.toString('latin1')
    const kept = this.#kept.get(name)
    if (kept !== undefined && kept.since === since) return kept.value
    const value = this.get(key)
    const read = this.#kept.get(name)
    // One that is gone, by damage, is not what was read before.
    if (value !== undefined && read !== undefined) read.since = since
    return value
  }
}
