import { LimitedMap } from '../memory/limited-map.ts'

/** Failures of one key before it must wait. */
export const FREE_FAILURES = 5
/** Milliseconds of the first wait; it doubles with each failure. */
const FIRST_WAIT = 1_000
/** Milliseconds: the longest wait. */
export const LONGEST_WAIT = 60_000
/** Milliseconds without a failure after which a key's failures are forgotten. */
const MEMORY = 15 * 60_000
/** Most keys remembered; the oldest is forgotten first. */
const KEYS_MAX = 10_000

interface Failures {
  readonly count: number
  /** Milliseconds since 1970. */
  readonly last: number
}

/**
 * Counts wrong passwords by key (an address or a user's name, for example) and makes the key wait: 1 s after the fifth,
 * twice as long after each further one, at most a minute, so that nobody can lock somebody else out for good.
 */
export class Guesses {
  readonly #failures = new LimitedMap<string, Failures>(KEYS_MAX)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Returns the milliseconds until this key may try again; 0: now. */
  wait(key: string): number {
    const { count, last } = this.#recent(key)
    if (count < FREE_FAILURES) return 0
    const wait = Math.min(FIRST_WAIT * 2 ** (count - FREE_FAILURES), LONGEST_WAIT)
    return Math.max(0, last + wait - this.#now())
  }

  failed(key: string): void {
    const { count } = this.#recent(key)
    this.#failures.set(key, { count: count + 1, last: this.#now() })
  }

  succeeded(key: string): void {
    this.#failures.delete(key)
  }

  #recent(key: string): Failures {
    const { count = 0, last = 0 } = this.#failures.get(key) ?? {}
    const since = this.#now() - last
    // A negative time means that the clock was ahead at the last failure, so its real age is unknown.
    return since < 0 || since > MEMORY ? { count: 0, last: 0 } : { count, last }
  }
}
