import { errorOf, type Endpoint } from './exchange.ts'
import { act, type RandomStep, type StepKeys } from './random-steps.ts'
import { keysFrom, TrustWorld } from './trust-world.ts'
import { upload, type Part } from './upload.ts'

/** The outcome of a step. */
interface Outcome {
  readonly accepted: boolean
  /** The server's message for people. */
  readonly said: string
  /** True if the step was refused for being late. */
  readonly late: boolean
  /** Makes the result of this step the publisher's state. */
  readonly keep: () => void
}

/** A publisher at one server. At two servers, the same steps differ only in the servers' keys. */
export class PublisherAt {
  readonly #server: Endpoint
  #world: TrustWorld
  #lastParts: readonly Part[]
  /** Its state after each accepted publish. */
  readonly #past: TrustWorld[] = []

  private constructor(server: Endpoint, world: TrustWorld, lastParts: readonly Part[]) {
    this.#server = server
    this.#world = world
    this.#lastParts = lastParts
    this.#stand(world, lastParts)
  }

  /** @throws Error if the server refuses the first publish */
  static async begin(server: Endpoint, gun: string, snapshot: 'client' | 'server'): Promise<PublisherAt> {
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun), snapshot })
    const parts = world.parts('root', 'targets')
    await world.send(server, parts)
    return new PublisherAt(server, world, parts)
  }

  /** Does a step and sends it; the caller decides whether to keep it. */
  async send(step: RandomStep, keys: StepKeys): Promise<Outcome> {
    const base = step.sent === 'late' ? this.#past[step.at % this.#past.length]! : this.#world
    const world = base.fork()
    const roles = await act(world, step, keys)
    const on = step.sent === 'same version' ? 0 : step.sent === 'versions skipped' ? 1 + (step.at % 9) : 1
    for (const role of roles) world.payload(role).version += role === 'root' ? Math.min(on, 1) : on
    const signed = world.parts(...roles)
    const sent = step.sent === 'without snapshot' ? signed.filter(({ role }) => role !== 'snapshot') : signed
    const parts = step.sent === 'again' ? this.#lastParts : sent
    const answer = await upload(this.#server, world.gun, parts)
    const accepted = answer.status === 200
    return {
      accepted,
      said: `${answer.status} ${answer.body.toString('utf8')}`,
      late: !accepted && errorOf(answer).code === 'VERSION',
      keep: () => this.#stand(world, parts),
    }
  }

  #stand(world: TrustWorld, parts: readonly Part[]): void {
    // The server made a snapshot version: whoever takes the key over must continue above it.
    if (!world.holdsSnapshot) world.snapshot.version += 1
    this.#world = world
    this.#lastParts = parts
    this.#past.push(world)
  }
}
