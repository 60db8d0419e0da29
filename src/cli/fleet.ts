import { TrustError } from '../errors.ts'
import { parseGun, type Gun } from '../tuf/gun.ts'
import { note, prefixed, table, withErrors } from './terminal/print.ts'

/** What to do about a root that is not published yet. */
export const WAITING_HINT = '"countersign root waiting" lists the roots that wait, and who has to sign them'

/** The outcome for one repository of many. */
export interface Outcome<State extends string> {
  readonly gun: string
  readonly state: State | 'failed'
  readonly version?: number
  readonly error?: string
  /** What to do about the error. */
  readonly hint?: string | undefined
}

/** The failure of one repository of many. */
export interface Failed {
  readonly gun: string
  readonly state: 'failed'
  readonly error: string
  /** What to do about the error. */
  readonly hint: string | undefined
}

const ENDING = ['SIGINT', 'SIGTERM'] as const
const NOT_STARTED = {
  state: 'failed',
  error: 'not started: interrupted',
  hint: 'what is done stays done: type it again for the others; "key rotate --all" would do all again, so name them',
} as const

/**
 * Does the same work for each repository, one after the other. A failure among many becomes a row and does not stop the
 * others; for a single repository, the command fails. Ctrl-C among many lets the current one finish, and makes the
 * others rows that say so: the command still reports what was done.
 *
 * @throws whatever `work` throws for the only repository; among many, anything but a TrustError
 */
export async function forEachRepository<Name extends string, Done>(
  guns: readonly Name[],
  work: (gun: Name) => Promise<Done>,
): Promise<(Done | Failed)[]> {
  const outcomes: (Done | Failed)[] = []
  let interrupted = false
  const interrupt = (): void => {
    interrupted = true
    ignore()
    note(`interrupted: stops after ${guns[outcomes.length]}; interrupt again to stop at once`)
  }
  const ignore = (): void => ENDING.forEach((signal) => process.off(signal, interrupt))
  if (guns.length > 1) ENDING.forEach((signal) => process.on(signal, interrupt))
  try {
    for (const gun of guns) outcomes.push(interrupted ? { gun, ...NOT_STARTED } : await outcomeOf(gun))
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

/**
 * Parses a repository's name, typed without `--all`.
 *
 * @throws TrustError INVALID_GUN, for a pattern with a hint what to add
 */
export function parseSingleGun(name: string): Gun {
  if (name.endsWith('*')) throw new TrustError('INVALID_GUN', `${name} names many repositories`, { hint: 'add --all' })
  return parseGun(name)
}

/** Returns a table with a row for each, and below it what failed: in a cell it would widen hundreds of rows. */
export function outcomeTable(outcomes: readonly Outcome<string>[]): string {
  const rows = outcomes.map(({ gun, state, version }) => [gun, state, String(version ?? '')])
  const failures = outcomes.flatMap(({ gun, error }) => (error === undefined ? [] : [{ gun, error }]))
  return withHints(withErrors(table([['REPOSITORY', 'STATE', 'ROOT'], ...rows]), failureTexts(failures)), outcomes)
}

/**
 * Returns a text for each failure; those that differ only in the repository are one, for `GUN`, with their names. The most
 * common come first: of hundreds of names that are only not signed, nobody should have to pick out the others.
 */
export function failureTexts(failures: readonly Pick<Failed, 'gun' | 'error'>[]): string[] {
  const alike = Map.groupBy(failures, ({ gun, error }) => error.replaceAll(gun, 'GUN'))
  const sorted = [...alike].toSorted(([, one], [, other]) => other.length - one.length)
  return sorted.map(([general, group]) => {
    const names = group.map(({ gun }) => gun)
    const [only] = group
    return only !== undefined && group.length === 1
      ? `${only.gun}: ${only.error}`
      : `${general}, for these ${group.length}:\n  ${names.join('\n  ')}`
  })
}

/** Appends hints for the failures to a text for people; hints that differ only in the repository are one, for `GUN`. */
export function withHints(
  text: string,
  outcomes: readonly { readonly gun?: string | undefined; readonly hint?: string | undefined }[],
): string {
  const hints = new Map<string, string>()
  for (const { gun, hint } of outcomes) {
    if (hint === undefined) continue
    const general = gun === undefined ? hint : hint.replaceAll(gun, 'GUN')
    hints.set(general, hints.has(general) ? general : hint)
  }
  return [text, ...[...hints.values()].map((hint) => prefixed('hint', hint))].join('\n')
}
