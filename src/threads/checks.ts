import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { TrustError, type TrustErrorCode } from '../errors.ts'
import type { CheckReport } from '../repository/check.ts'
import { Turns } from '../repository/turns.ts'
import type { OtherHandles } from '../store/commit/reopen.ts'
import { Channel } from './channel.ts'
import type { CheckAnswers, CheckStart, MainAnswers } from './messages.ts'
import { HEAP_LIMITS } from './threads.ts'

const PROGRAM = new URL('./check-thread.ts', import.meta.url)
/** Checks that may wait for the running one. */
const WAITING_MAX = 8

/**
 * Checks of the whole store, one at a time, each in a thread of its own: requests do not wait for it, and its heap ends
 * with the thread.
 */
export class Checks implements OtherHandles {
  readonly #turns = new Turns<'check'>(WAITING_MAX, { tooMany: 'too many checks are waiting' })
  #current: Promise<unknown> | undefined
  #giveUp: (why: TrustError) => void = () => undefined
  /** Why no check may run now. */
  #refusal: TrustError | undefined
  #stopped = false

  /**
   * @param now milliseconds since 1970
   * @param gone aborted when nobody waits for the result any more
   * @throws TrustError BUSY, SIGNER_UNAVAILABLE, STORE_UNAVAILABLE, STOPPING, or the reason of `gone`
   */
  check(start: CheckStart, answers: MainAnswers, now: () => number, gone?: AbortSignal): Promise<CheckReport> {
    return this.#turns.take('check', () => {
      const checking = this.#run(start, answers, now, gone)
      this.#current = checking
      return checking
    })
  }

  /** Aborts the running check and releases the database. No further check starts before `open`. */
  async close(): Promise<void> {
    await this.#refuse('STORE_UNAVAILABLE', 'the database is being closed', 'try again in a moment')
  }

  async open(): Promise<void> {
    if (!this.#stopped) this.#refusal = undefined
  }

  /** Aborts the running check and releases the database for good. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#refuse('STOPPING', 'the server is stopping', 'try again once it has stopped, or runs again')
  }

  async #refuse(code: TrustErrorCode, reason: string, hint: string): Promise<void> {
    this.#refusal = new TrustError(code, `the check was abandoned: ${reason}`, { hint })
    this.#giveUp(this.#refusal)
    await this.#current?.catch(() => undefined)
  }

  async #run(
    start: CheckStart,
    answers: MainAnswers,
    now: () => number,
    gone: AbortSignal | undefined,
  ): Promise<CheckReport> {
    gone?.throwIfAborted()
    if (this.#refusal !== undefined) throw this.#refusal
    const worker = new Worker(PROGRAM, { workerData: start, resourceLimits: HEAP_LIMITS })
    const channel = new Channel<CheckAnswers>(worker, answers)
    const ended = once(worker, 'exit')
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    this.#giveUp = reject
    worker.once('error', reject)
    gone?.addEventListener('abort', () => reject(gone.reason))
    try {
      return await Promise.race([channel.ask('check', [now()]), givenUp])
    } finally {
      await Promise.race([channel.ask('release', []), ended])
      await worker.terminate()
    }
  }
}
