import { TrustError } from '../errors.ts'
import { LimitedMap } from '../memory/limited-map.ts'
import { Guesses } from './guesses.ts'
import { networkOf } from './network.ts'
import { isPassword, NO_PASSWORD, PASSWORD_MAX_BYTES } from './password.ts'
import { findUser, isName, type Directory, type User } from './user.ts'

/** Passwords hashed at once: each takes memory, and a thread of the pool that the store uses too. */
const AT_ONCE = 2
/** Passwords that may wait for their turn; further ones are refused. */
const WAITING_MAX = 64
/** Pairs of user and network that logged in successfully; the least recent is forgotten first. */
const KNOWN_MAX = 10_000

/** Checks passwords in one place for the whole process, since it counts wrong ones. */
export interface PasswordCheck {
  /**
   * Returns the user of this name, if the password is right and they are not disabled. A name that does not exist takes
   * as long, and counts as much, as a wrong password.
   *
   * @param address where the request came from; undefined: not counted
   * @throws TrustError BUSY after too many wrong passwords, or if too many are being checked
   */
  check(name: string, password: string, address: string | undefined): Promise<User | undefined>
}

/**
 * Checks passwords a few at a time, and slows guessing. A wrong one counts against the user and against the network;
 * but where the user logged in from that network before, only against the pair. So neither a job with an old password
 * behind the same address, nor somebody who guesses elsewhere, slows a user down where they are known.
 */
export class Passwords implements PasswordCheck {
  readonly #directory: Directory
  readonly #byNetwork: Guesses
  readonly #byUser: Guesses
  readonly #byKnown: Guesses
  readonly #known = new LimitedMap<string, true>(KNOWN_MAX)
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** @param now milliseconds since 1970 */
  constructor(directory: Directory, now: () => number) {
    this.#directory = directory
    this.#byNetwork = new Guesses(now)
    this.#byUser = new Guesses(now)
    this.#byKnown = new Guesses(now)
  }

  async check(name: string, password: string, address: string | undefined): Promise<User | undefined> {
    // Count all impossible names as one, so that they fill no list.
    const counted = isName(name) ? name : ''
    const network = address === undefined ? undefined : networkOf(address)
    const here = network === undefined ? undefined : `${network} ${counted}`
    return this.#inTurn(async () => {
      const isKnown = here !== undefined && this.#known.get(here) === true
      const [guesses, key] = isKnown ? [this.#byKnown, here] : [this.#byUser, counted]
      const others = isKnown ? undefined : network
      // Wait until it is our turn, so that many guesses at once do not all pass.
      const wait = Math.max(guesses.wait(key), others === undefined ? 0 : this.#byNetwork.wait(others))
      if (wait > 0) {
        throw new TrustError('BUSY', 'too many wrong passwords', { hint: 'wait a minute, then try again' })
      }
      const user = await this.#recognise(name, password)
      if (user === undefined) {
        guesses.failed(key)
        if (others !== undefined) this.#byNetwork.failed(others)
      } else {
        guesses.succeeded(key)
        if (here !== undefined) this.#known.set(here, true)
      }
      return user
    })
  }

  async #recognise(name: string, password: string): Promise<User | undefined> {
    if (Buffer.byteLength(password) > PASSWORD_MAX_BYTES) return undefined
    const stored = findUser(this.#directory, name)?.password
    const right = await isPassword(stored ?? NO_PASSWORD, password)
    // Read the user again: the password may have changed while it was hashed.
    const user = findUser(this.#directory, name)
    return right && user?.password?.hash === stored?.hash && user?.disabled === false ? user : undefined
  }

  /** @throws TrustError BUSY */
  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#running < AT_ONCE) this.#running += 1
    else if (this.#waiting.length >= WAITING_MAX) {
      throw new TrustError('BUSY', 'too many passwords are being checked', { hint: 'try again in a moment' })
    } else {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
