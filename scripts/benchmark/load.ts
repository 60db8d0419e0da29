import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, type Target } from './connection.ts'

/** The result of a period of load. */
export interface Outcome {
  readonly operations: number
  readonly seconds: number
  readonly errors: number
  readonly firstError: string | undefined
  /** Milliseconds per operation: median, and 99th percentile; some loads do not measure them. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** One operation of one lane. @throws Error if the response is wrong */
type Operation = (lane: number) => Promise<void>

/** Thrown by a lane that has nothing left to do. */
export class Exhausted extends Error {}

/** After so many errors in a row, a lane gives up: nobody answers. */
const ERRORS_IN_A_ROW_MAX = 20

/** Runs a number of lanes at once, each doing one operation after the other, until the time is over. */
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

/** Kept connections, one per lane; a broken one is replaced at its lane's next request. */
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
