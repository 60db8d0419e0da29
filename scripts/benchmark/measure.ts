import type { ContenderName } from './contender.ts'
import type { Outcome } from './load.ts'
import type { Stage } from './stage.ts'

/** Applies one kind of load at full speed for so many seconds. */
type Load = (seconds: number) => Promise<Outcome>

/** Our goal against one of Go's servers: at least so many times its rate, at most so many times its CPU time. */
export interface Goal {
  readonly rate: number
  readonly cpu?: number
}

export type Goals = Partial<Record<ContenderName, Goal>>

/** Measures operations per second. */
export interface RateMeasure {
  readonly name: string
  readonly title: string
  readonly goals: Goals
  /** True: measures servers that require tokens. */
  readonly tokens?: boolean
  /** Prepares whatever the load needs, untimed. Called before each round. */
  prepare(stage: Stage, seconds: number): Promise<Load>
}

/** Measures something other than operations per second, once for each contender. */
export interface FigureMeasure {
  readonly name: string
  /** True: runs only if named, or with --large. */
  readonly large?: boolean
  readonly figures: readonly Figure[]
  /** Contenders that this applies to. */
  readonly of: readonly ContenderName[]
  /**
   * @param stage with a contender of its own, to which nothing was published yet
   * @returns a value for each figure; undefined if the contender has no such thing
   */
  find(stage: Stage): Promise<(number | undefined)[]>
}

export interface Figure {
  readonly title: string
  readonly unit: 'MB' | 'ms' | 'bytes' | 'per s'
  /** Our own limit. */
  readonly goal?: number
}
