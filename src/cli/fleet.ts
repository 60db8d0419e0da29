import { TrustError } from '../errors.ts'
import { parseGun, type Gun } from '../tuf/gun.ts'
import { note, said, table } from './terminal/print.ts'

/** What to do about a root that is not published yet. */
export const WAITING_HINT =
  '"countersign root waiting" lists the roots that wait; whose signatures one lacks: countersign root show GUN'

/** What became of one repository of many. */
export interface Outcome<State extends string> {
  readonly gun: string
  readonly state: State | 'failed'
  readonly version?: number
  readonly error?: string
  /** What to do about it. */
  readonly hint?: string | undefined
}

/** Among many, one that it could not be done for. */
export interface Failed {
  readonly gun: string
  readonly state: 'failed'
  readonly error: string
  /** What to do about it. */
  readonly hint: string | undefined
}

const ENDING = ['SIGINT', 'SIGTERM'] as const
const NOT_BEGUN = {
  state: 'failed',
  error: 'not begun: interrupted',
  hint: 'what is done stays done: go on with the others by their names',
} as const

/**
 * The same for one repository or for many, one after the other. A failure among many is a row, and does not hold up the
 * others; of a single repository it is the command's. Ctrl-C among many lets the one that is begun be done, and the others are
 * rows that say so: what was done until then is told.
 *
 * @throws whatever `work` throws for the only repository; for many only what is no TrustError
 */
export async function inEach<Name extends string, Done>(
  guns: readonly Name[],
  work: (gun: Name) => Promise<Done>,
): Promise<(Done | Failed)[]> {
  const outcomes: (Done | Failed)[] = []
  let interrupted = false
  const interrupt = (): void => {
    interrupted = true
    ignore()
    note(`interrupted: no other one is begun after ${guns[outcomes.length]}; once more ends it at once`)
  }
  const ignore = (): void => ENDING.forEach((signal) => process.off(signal, interrupt))
  if (guns.length > 1) ENDING.forEach((signal) => process.on(signal, interrupt))
  try {
    for (const gun of guns) outcomes.push(interrupted ? { gun, ...NOT_BEGUN } : await outcomeOf(gun))
    return outcomes
  } finally {
    ignore()
  }

  async function outcomeOf(gun: Name): Promise<Done | Failed> {
    try {
      return await work(gun)
    } catch (error) {
      if (guns.length === 1 || !(error instanceof TrustError)) throw error
      const { message, hint } = error
      return { gun, state: 'failed', error: message, hint }
    }
  }
}

/** A repository's name, as it was typed without `--all`. @throws TrustError INVALID_GUN, for a pattern with what to add */
export function oneGun(name: string): Gun {
  if (name.endsWith('*')) throw new TrustError('INVALID_GUN', `${name} names many repositories`, { hint: 'add --all' })
  return parseGun(name)
}

/** A row for each. */
export function outcomeTable(outcomes: readonly Outcome<string>[]): string {
  const rows = outcomes.map(({ gun, state, version, error }) => [gun, error ?? state, String(version ?? '')])
  return withHints(table([['REPOSITORY', 'STATE', 'ROOT'], ...rows]), outcomes)
}

/** Below an answer for people, what helps those that failed: each hint once, however many it helps. */
export function withHints(text: string, outcomes: readonly { readonly hint?: string | undefined }[]): string {
  const hints = new Set(outcomes.flatMap(({ hint }) => hint ?? []))
  return [text, ...[...hints].map((hint) => said('hint', hint))].join('\n')
}
