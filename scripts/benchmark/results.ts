import type { ContenderName } from './contender.ts'
import type { Figure, Goal, RateMeasure } from './measure.ts'
import type { Rounds } from './rounds.ts'
import { median, ratioOf, type Ratio } from './statistics.ts'

/** How Countersign compares with one of Go's servers. */
export interface Comparison {
  readonly rate: Ratio
  readonly cpu: Ratio | undefined
  readonly goal: Goal | undefined
  readonly reached: boolean
}

export interface RateResult {
  readonly name: string
  readonly title: string
  readonly rounds: Rounds
  /** Medians of the rounds. */
  readonly perSecond: Partial<Record<ContenderName, number>>
  /** Microseconds per operation. */
  readonly cpu: Partial<Record<ContenderName, number>>
  /** Milliseconds. */
  readonly p50: Partial<Record<ContenderName, number>>
  readonly against: Partial<Record<ContenderName, Comparison>>
}

export interface FigureResult extends Figure {
  readonly measure: string
  readonly found: Partial<Record<ContenderName, number | undefined>>
}

/** All results of a run; what --json writes. */
export interface Results {
  /** ISO 8601. */
  readonly time: string
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string; readonly notary: string }
  readonly rounds: number
  readonly seconds: number
  readonly rates: readonly RateResult[]
  readonly figures: readonly FigureResult[]
}

export function rateResult({ name, title, goals }: RateMeasure, rounds: Rounds): RateResult {
  const names = Object.keys(rounds) as ContenderName[]
  const each = (member: 'perSecond' | 'cpu' | 'p50') => {
    const medians = names.map((who) => [who, median(numbers(rounds, who, member))] as const)
    return Object.fromEntries(medians.filter(([, value]) => value !== undefined))
  }
  const against = names.flatMap((who) => {
    const comparison = who === 'countersign' ? undefined : compare(rounds, who, goals[who])
    return comparison === undefined ? [] : [[who, comparison] as const]
  })
  const medians = { perSecond: each('perSecond'), cpu: each('cpu'), p50: each('p50') }
  return { name, title, rounds, ...medians, against: Object.fromEntries(against) }
}

function compare(rounds: Rounds, who: ContenderName, goal: Goal | undefined): Comparison | undefined {
  const rate = ratioOf(numbers(rounds, 'countersign', 'perSecond'), numbers(rounds, who, 'perSecond'))
  const cpu = ratioOf(numbers(rounds, 'countersign', 'cpu'), numbers(rounds, who, 'cpu'))
  if (rate === undefined) return undefined
  const cheap = goal?.cpu === undefined || (cpu !== undefined && cpu.median <= goal.cpu)
  return { rate, cpu, goal, reached: goal === undefined || (rate.median >= goal.rate && cheap) }
}

function numbers(rounds: Rounds, who: ContenderName, member: 'perSecond' | 'cpu' | 'p50'): number[] {
  return (rounds[who] ?? []).map((round) => round[member] ?? 0)
}
