import type { Contender, ContenderName } from './contender.ts'
import type { Outcome } from './load.ts'
import type { Stage } from './stage.ts'

/** Load of one kind, at full speed for so many seconds. */
type Load = (seconds: number) => Promise<Outcome>

/** What we want to be, compared with one of Go's: times its rate at least, times its CPU time at most. */
export interface Goal {
  readonly rate: number
  readonly cpu?: number
}

export type Goals = Partial<Record<ContenderName, Goal>>

/** Operations that are counted per second. */
export interface RateMeasure {
  readonly name: string
  readonly title: string
  readonly goals: Goals
  /** True: of servers that ask for tokens. */
  readonly tokens?: boolean
  /** Make ready whatever the load needs; not timed. Called again before each round. */
  prepare(stage: Stage, seconds: number): Promise<Load>
}

/** Something else than operations per second, found out once for each contender. */
export interface FigureMeasure {
  readonly name: string
  /** Only done if asked for by name, or with --large. */
  readonly large?: boolean
  readonly figures: readonly Figure[]
  /** Contenders that have such a thing. */
  readonly of: readonly ContenderName[]
  /**
   * @param launch starts a contender of its own, to be stopped by the measure
   * @returns for each figure; undefined where the contender has no such thing
   */
  find(launch: () => Promise<Contender>): Promise<(number | undefined)[]>
}

export interface Figure {
  readonly title: string
  readonly unit: 'MB' | 'ms' | 'bytes' | 'per s'
  /** Our own limit: at most. */
  readonly goal?: number
}
