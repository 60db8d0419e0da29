import { TrustError } from '../errors.ts'
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
  hint: 'what is done stays done: type it again for the others; "key rotate --all" would do all again, so name them',
} as const

/**
 * Does the same work for each repository, one after the other. A failure among many becomes a row and does not stop the
 * others; for a single repository, the command fails. Ctrl-C among many lets the current one finish, and makes the
 * others rows that say so: the command still reports what was done. So does a server that stops, or can store nothing
 * more: asking another server for hundreds of repositories takes minutes, in vain.
 *
 * @throws whatever `work` throws for the only repository; among many, anything but a TrustError
 */
export async function forEachRepository<Name extends string, Done>(
  guns: readonly Name[],
  work: (gun: Name) => Promise<Done>,
): Promise<(Done | Failed)[]> {
  const outcomes: (Done | Failed)[] = []
  /** Why no other one is started. */
  let ended: string | undefined
  const interrupt = (): void => {
    ended = 'interrupted'
    ignore()
    note(`interrupted: stops after ${guns[outcomes.length]}; interrupt again to stop at once`)
  }
  const ignore = (): void => ENDING.forEach((signal) => process.off(signal, interrupt))
  if (guns.length > 1) ENDING.forEach((signal) => process.on(signal, interrupt))
  try {
    for (const gun of guns) {
      outcomes.push(
        ended === undefined ? await outcomeOf(gun) : { gun, ...NOT_STARTED, error: `not started: ${ended}` },
      )
    }
    return outcomes
  } finally {
    ignore()
  }

  async function outcomeOf(gun: Name): Promise<Done | Failed> {
    try {
      return await work(gun)
    } catch (error) {
      if (guns.length === 1 || !(error instanceof TrustError)) throw error
      const { code, message, hint } = error
      if (code === 'STORE_UNAVAILABLE') ended = message
      return { gun, state: 'failed', error: message, hint }
    }
  }
}

/** Returns a table with a row for each, and below it what failed: in a cell it would widen hundreds of rows. */
export function outcomeTable(outcomes: readonly Outcome<string>[]): string {
  const rows = outcomes.map(({ gun, state, version }) => [gun, state, String(version ?? '')])
  const failures = outcomes.flatMap(({ gun, error }) => (error === undefined ? [] : [{ gun, error }]))
  const text = withTotals(
    table([['REPOSITORY', 'STATE', 'ROOT'], ...rows]),
    outcomes.map(({ state }) => state),
  )
  return withHints(withErrors(text, failureTexts(failures)), outcomes)
}

/** Appends how many repositories are in which state, the most common first: nobody counts hundreds of rows. */
export function withTotals(text: string, states: readonly string[]): string {
  if (states.length < 2) return text
  const counts = [...Map.groupBy(states, (state) => state)].map(([state, { length }]) => ({ state, length }))
  const sorted = counts.toSorted((one, other) => other.length - one.length)
  return `${text}\n${states.length} repositories: ${sorted.map(({ state, length }) => `${length} ${state}`).join(', ')}`
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
