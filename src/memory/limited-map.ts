/** A value heavier than this share of the limit is not stored: it would evict nearly all else. */
const HEAVIEST_PART = 1 / 2

/** A map of limited weight. Evicts what was set first; setting an entry again makes it the last. */
export class LimitedMap<Key, Value> {
  readonly #limit: number
  readonly #weigh: (value: Value) => number
  readonly #entries = new Map<Key, Value>()
  #weight = 0

  /**
   * @param limit for the weight of all values together
   * @param weigh must return the same weight for a value each time; default: 1 each, so that the limit is their number
   */
  constructor(limit: number, weigh: (value: Value) => number = () => 1) {
    this.#limit = limit
    this.#weigh = weigh
  }

  /** True if such a value can be set without evicting another. */
  hasRoomFor(weight: number): boolean {
    return this.#weight + weight <= this.#limit
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.delete(key)
    const weight = this.#weigh(value)
    if (weight > this.#limit * HEAVIEST_PART) return
    this.#entries.set(key, value)
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#limit) return
      this.delete(oldest)
    }
  }

  delete(key: Key): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#weight -= this.#weigh(value)
    this.#entries.delete(key)
  }
}
