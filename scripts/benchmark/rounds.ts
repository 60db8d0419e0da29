import { setTimeout as sleep } from 'node:timers/promises'
import type { ContenderName } from './contender.ts'
import type { RateMeasure } from './measure.ts'
import { cpuMicroseconds } from './processes.ts'
import type { Stage } from './stage.ts'

/** One contender in one round. */
interface Round {
  readonly perSecond: number
  /** Of all processes of the server, for one operation; microseconds. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly errors: number
  readonly firstError: string | undefined
  /** How often the server died in it. */
  readonly deaths: number
}

export type Rounds = Partial<Record<ContenderName, Round[]>>

/** A round in which a server dies is done again, so often. */
const TRIES = 3
/** Seconds of load before the clock starts, as a part of those with it. */
const WARM_UP = 0.25
/** Milliseconds after which the end of a process has been told. */
const DEATH_SEEN = 200

/**
 * Measure all contenders in turns; who begins changes from round to round. One round before the first is not counted: JavaScript is
 * compiled while it runs, and a server runs for months.
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
      // Whoever dies while it is being prepared dies under load too. A connection ends before its process is seen to.
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
    // What was done before a death is no rate, and the CPU time of the dead is not known.
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
