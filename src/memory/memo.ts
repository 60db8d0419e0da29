import { LimitedMap } from './limited-map.ts'
import { ownText } from './own-bytes.ts'

/** Characters; results for longer names are not cached. */
const NAME_MAX_LENGTH = 4_096

/**
 * Caches results of a pure function by name: keys and certificates recur with every publish, and parsing one costs more
 * than verifying with it. Evicts what was cached first.
 */
export class Memo<Value> {
  readonly #answers: LimitedMap<string, Value>

  /** @param limit results to keep */
  constructor(limit: number) {
    this.#answers = new LimitedMap(limit)
  }

  /**
   * Returns the cached result for a name, or computes it. That of a long name is not cached: a caller whose document may
   * repeat it many times caches by object instead (`memoized`).
   *
   * @param name everything that the result depends on
   */
  get(name: string, answer: () => Value): Value {
    const kept = this.#answers.get(name)
    if (kept !== undefined) return kept
    const made = answer()
    if (made === undefined || name.length > NAME_MAX_LENGTH) return made
    this.#answers.set(ownText(name), made)
    return made
  }
}
