import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'

/** Locks across threads, needed if other threads change repositories too: only one thread at a time holds a repository. */
export interface Locks<Name = Gun> {
  hold<T>(name: Name, work: () => Promise<T>): Promise<T>
}

interface TurnsOptions<Name> {
  /** Undefined if there is no other thread. */
  readonly locks?: Locks<Name> | undefined
  /** Message for those who may not even wait. */
  readonly tooMany?: string
}

/**
 * Runs changes of one repository one after the other, so that each is computed from the head that it replaces: independent
 * delegation publishes at the same moment all succeed instead of losing a race. Different repositories do not wait for each
 * other. The guarantee remains the store's compare-and-set; this avoids wasted work.
 *
 * @typeParam Name what the turns are for; by default repositories, but checks and people's requests take turns too
 */
export class Turns<Name extends string = Gun> {
  readonly #waitingLimit: number
  readonly #locks: Locks<Name> | undefined
  readonly #tooMany: string
  readonly #queues = new Map<Name, { last: Promise<unknown>; waiting: number }>()

  /** @param waitingLimit changes that may wait behind a repository's running one, in this thread */
  constructor(waitingLimit: number, { locks, tooMany = 'too many updates are waiting' }: TurnsOptions<Name> = {}) {
    this.#waitingLimit = waitingLimit
    this.#locks = locks
    this.#tooMany = tooMany
  }

  /**
   * Runs `change` after all earlier changes of this repository.
   *
   * @throws TrustError BUSY if too many wait already; `change` was not run
   */
  async take<T>(name: Name, change: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(name) ?? { last: Promise.resolve(), waiting: 0 }
    if (queue.waiting > this.#waitingLimit) {
      throw new TrustError('BUSY', this.#tooMany, { hint: 'try again in a moment' })
    }
    this.#queues.set(name, queue)
    queue.waiting += 1
    const locks = this.#locks
    const turn = queue.last.then(locks === undefined ? change : () => locks.hold(name, change))
    queue.last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      queue.waiting -= 1
      if (queue.waiting === 0) this.#queues.delete(name)
    }
  }
}
