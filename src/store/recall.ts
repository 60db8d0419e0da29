import { LimitedMap } from '../tuf/limited-map.ts'
import type { Records } from './records.ts'
import { openRecord } from './record.ts'

/** Decoded records that one `Recall` keeps. */
const RECALLED_MAX = 1_000

interface Kept<Value> {
  readonly record: Buffer
  readonly value: Value
  /** What the last caller who read it knew. */
  since?: number
}

/**
 * Records of one kind that were decoded lately. Every one is read each time, unless the caller knows that it has not changed;
 * if it is what it was, so is what it says: the same object again, without hashing and decoding.
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
   * The same, read once for each `since`.
   *
   * @param since a number that is another one once the record is, and was found before this call
   * @throws TrustError CORRUPT, STORE_UNAVAILABLE
   */
  since(key: Buffer, since: number): Value | undefined {
    const name = key.toString('latin1')
    const kept = this.#kept.get(name)
    if (kept !== undefined && kept.since === since) return kept.value
    const value = this.get(key)
    const read = this.#kept.get(name)
    if (read !== undefined) read.since = since
    return value
  }
}
