import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'

/** Needed where other threads change repositories too: of all threads, only one at a time holds a repository. */
export interface Locks<Name = Gun> {
  hold<T>(name: Name, work: () => Promise<T>): Promise<T>
}

/**
 * Changes of one repository happen one after the other, so that each is computed from the head that it replaces:
 * independent delegation publishes at the same moment all succeed instead of losing a race. Different repositories do
 * not wait for each other. The store's compare-and-set stays the guarantee; this saves work that would be thrown away.
 *
 * @typeParam Name of what is done in turn: a repository, unless it is something else
 */
export class Turns<Name extends string = Gun> {
  readonly #waitingLimit: number
  readonly #locks: Locks<Name> | undefined
  readonly #tooMany: string
  readonly #queues = new Map<Name, { last: Promise<unknown>; waiting: number }>()

  /**
   * @param waitingLimit changes that may wait behind the running one of a repository, in this thread
   * @param locks undefined: there is no other thread
   * @param tooMany what is told whoever may not even wait
   */
  constructor(waitingLimit: number, locks?: Locks<Name>, tooMany = 'too many updates are waiting') {
    this.#waitingLimit = waitingLimit
    this.#locks = locks
    this.#tooMany = tooMany
  }

  /**
   * Run `change` when all changes of this repository that were asked for before are over.
   *
   * @throws TrustError BUSY if too many wait already; nothing was run
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
