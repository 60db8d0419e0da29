import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, type Target } from './connection.ts'

/** What came of a time of load. */
export interface Outcome {
  readonly operations: number
  readonly seconds: number
  readonly errors: number
  readonly firstError: string | undefined
  /** Milliseconds that an operation took: median, and what 99 of 100 stayed below; not known of every load. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** One operation of one lane. @throws Error if the answer is not what it must be */
type Operation = (lane: number) => Promise<void>

/** A lane that has nothing left to do. */
export class Exhausted extends Error {}

/** A lane gives up after so many errors in a row: nobody answers. */
const ERRORS_IN_A_ROW_MAX = 20

/** Run as many lanes at once, each one operation after the other, until the time is over. */
export async function drive(seconds: number, lanes: number, operation: Operation): Promise<Outcome> {
  const took: number[] = []
  let errors = 0
  let firstError: string | undefined
  const start = performance.now()
  const deadline = start + seconds * 1000
  const run = async (lane: number): Promise<void> => {
    let inARow = 0
    for (let now = start; now < deadline && inARow < ERRORS_IN_A_ROW_MAX;) {
      const begun = performance.now()
      try {
        await operation(lane)
        inARow = 0
        now = performance.now()
        took.push(now - begun)
      } catch (error) {
        if (error instanceof Exhausted) return
        errors += 1
        inARow += 1
        firstError ??= error instanceof Error ? error.message : String(error)
        await sleep(5)
        now = performance.now()
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)))
  const spent = (performance.now() - start) / 1000
  took.sort((one, other) => one - other)
  const at = (part: number): number | undefined => took[Math.min(took.length - 1, Math.floor(took.length * part))]
  return { operations: took.length, seconds: spent, errors, firstError, p50: at(0.5), p99: at(0.99) }
}

/** Kept connections, one a lane; one that broke is replaced when its lane asks again. */
export class Lanes {
  readonly #target: Target
  readonly #connections: (Connection | undefined)[] = []

  constructor(target: Target) {
    this.#target = target
  }

  /** @returns the body @throws Error for every status but 200 */
  async ask(lane: number, request: Uint8Array): Promise<Buffer> {
    const connection = (this.#connections[lane] ??= new Connection(this.#target))
    try {
      const { status, body } = await connection.ask(request)
      if (status !== 200) throw new Error(`${status} ${body.toString('utf8', 0, 200)}`)
      return body
    } catch (error) {
      connection.close()
      this.#connections[lane] = undefined
      throw error
    }
  }

  close(): void {
    for (const connection of this.#connections) connection?.close()
  }
}
