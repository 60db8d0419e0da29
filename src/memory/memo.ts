import { LimitedMap } from './limited-map.ts'
import { ownText } from './own-bytes.ts'

/**
 * Answers of a pure function, kept by name: keys and certificates come again with every publish, and reading one costs
 * more than verifying with it. What was kept longest goes first.
 */
export class Memo<Value> {
  readonly #answers: LimitedMap<string, Value>

  /** @param limit answers that are kept */
  constructor(limit: number) {
    this.#answers = new LimitedMap(limit)
  }

  /**
   * @param name everything that the answer depends on; a long one is answered, but not kept: whoever may be asked for
   *   it many times over, by a document that names it again and again, remembers it by its object (`memoized`)
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

/** Characters. */
const NAME_MAX_LENGTH = 4_096
