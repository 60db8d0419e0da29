import { setTimeout as sleep } from 'node:timers/promises'
import type { ContenderName } from './contender.ts'
import type { RateMeasure } from './measure.ts'
import { cpuMicroseconds } from './processes.ts'
import type { Stage } from './stage.ts'

/** The result of one contender in one round. */
interface Round {
  readonly perSecond: number
  /** CPU time of all processes of the server per operation, microseconds. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly errors: number
  readonly firstError: string | undefined
  /** How often the server died in the round. */
  readonly deaths: number
}

export type Rounds = Partial<Record<ContenderName, Round[]>>

/** How often to try a round in which a server dies. */
const TRIES = 3
/** Seconds of warm-up before the clock starts, as a fraction of the measured seconds. */
const WARM_UP = 0.25
/** Milliseconds within which the end of a process becomes known. */
const DEATH_SEEN = 200

/**
 * Measures all contenders in turns; each round starts with another one. A first round does not count: JavaScript is
 * compiled as it runs, and a server runs for months.
 */
export async function runRounds(
  measure: RateMeasure,
  stages: readonly Stage[],
  rounds: number,
  seconds: number,
  progress: (text: string) => void,
): Promise<Rounds> {
  const found: Rounds = {}
  for (const { contender } of stages) found[contender.name] = []
  for (let round = -1; round < rounds; round += 1) {
    for (let turn = 0; turn < stages.length; turn += 1) {
      const stage = stages[(round + 1 + turn) % stages.length]!
      const { name } = stage.contender
      progress(`${measure.name}: round ${round + 1} of ${rounds}, ${name}`)
      const result = await runRound(measure, stage, seconds)
      if (round >= 0) found[name]?.push(result)
    }
  }
  return found
}

async function runRound(measure: RateMeasure, stage: Stage, seconds: number): Promise<Round> {
  const before = stage.deaths
  let errors = 0
  let firstError: string | undefined
  for (let tries = 1; ; tries += 1) {
    const outcome = await timed(measure, stage, seconds).catch(async (error: unknown) => {
      // A server that dies during preparation would die under load too. The connection ends before the process is known
      // to have.
      await sleep(DEATH_SEEN)
      if (stage.contender.alive) throw error
      return undefined
    })
    await stage.revive()
    errors += outcome?.errors ?? 1
    firstError ??= outcome?.firstError
    const deaths = stage.deaths - before
    if (deaths < tries) {
      const { operations = 0, seconds: spent = 1, cpu = 0, p50, p99 } = outcome ?? {}
      const each = operations === 0 ? 0 : cpu / operations
      return { perSecond: operations / spent, cpu: each, p50, p99, errors, firstError, deaths }
    }
    // Operations before a death give no rate, and the CPU time of a dead process is unknown.
    if (tries === TRIES) return { perSecond: 0, cpu: 0, p50: undefined, p99: undefined, errors, firstError, deaths }
  }
}

async function timed(measure: RateMeasure, stage: Stage, seconds: number) {
  const warmUp = seconds * WARM_UP
  const load = await measure.prepare(stage, seconds + warmUp)
  await load(warmUp)
  const before = cpuMicroseconds(stage.contender.pids)
  const outcome = await load(seconds)
  return { ...outcome, cpu: cpuMicroseconds(stage.contender.pids) - before }
}
