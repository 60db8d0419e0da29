/** What is heavier than this part of the limit is not taken in: nearly all else would have to go for it. */
const HEAVIEST_PART = 1 / 2

/** A map that holds so much and no more. What was set first goes first; to set it again makes it the last. */
export class LimitedMap<Key, Value> {
  readonly #limit: number
  readonly #weigh: (value: Value) => number
  readonly #entries = new Map<Key, Value>()
  #weight = 0

  /**
   * @param limit of the weight of all values together
   * @param weigh tells the same of a value each time; left out: 1 each, so that the limit is their number
   */
  constructor(limit: number, weigh: (value: Value) => number = () => 1) {
    this.#limit = limit
    this.#weigh = weigh
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
