import type { Transferable } from 'node:worker_threads'
import { errorOf, failureOf, type Failure } from '../errors.ts'

/** What one side can be asked, by name. `structuredClone` must accept arguments and answers. */
// oxlint-disable-next-line typescript/no-explicit-any
type Answers = Record<string, (...args: any[]) => unknown>

/** One end of the channel: a `Worker`, or the `parentPort` inside it. */
interface Port {
  on(event: 'message', listener: (message: Question | Reply) => void): unknown
  postMessage(message: Question | Reply, transfer?: readonly Transferable[]): void
}

interface Question {
  readonly number: number
  readonly name: string
  readonly args: readonly unknown[]
}

/** Without `failure`, the question was answered. */
interface Reply {
  readonly to: number
  readonly value?: unknown
  readonly failure?: Failure
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/**
 * Questions and answers between two threads, in both directions. What the other side throws is thrown here, a
 * TrustError as a TrustError.
 *
 * @typeParam Theirs what the other side can be asked
 */
export class Channel<Theirs extends Answers> {
  readonly #port: Port
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0

  constructor(port: Port, ours: Answers) {
    this.#port = port
    port.on('message', (message) => {
      if ('to' in message) this.#take(message)
      else void this.#answer(message, ours)
    })
  }

  /** @throws TrustError and other errors, as the other side threw them */
  ask<Name extends keyof Theirs & string>(
    name: Name,
    args: Parameters<Theirs[Name]>,
    transfer: readonly Transferable[] = [],
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    this.#asked += 1
    const number = this.#asked
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#port.postMessage({ number, name, args }, transfer)
    })
  }

  async #answer({ number, name, args }: Question, ours: Answers): Promise<void> {
    let reply: Reply
    try {
      reply = { to: number, value: await ours[name]?.(...args) }
    } catch (error) {
      reply = { to: number, failure: failureOf(error) }
    }
    this.#port.postMessage(reply)
  }

  #take({ to, value, failure }: Reply): void {
    const waiting = this.#waiting.get(to)
    this.#waiting.delete(to)
    if (failure === undefined) waiting?.resolve(value as never)
    else waiting?.reject(errorOf(failure))
  }
}
