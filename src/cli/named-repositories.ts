import { parsePattern } from '../access/grant.ts'
import { listRepositories } from '../admin/repositories.ts'
import { TrustError } from '../errors.ts'
import { parseGun, shellQuoted, type Gun } from '../tuf/gun.ts'
import type { Connection } from './connection/connection.ts'

interface Options {
  /** `--all`: the name is a pattern. */
  readonly all?: true | undefined
  /** `--adopted`: likewise, but only those adopted and not signed here yet. */
  readonly adopted?: true | undefined
}

/**
 * Returns the repositories that a command's argument names: one, or with `--all` those that a pattern names.
 *
 * @throws TrustError INVALID_GUN, INVALID_PARAMETERS; NOT_FOUND if the pattern names none
 */
export async function namedRepositories(
  connection: Connection,
  target: string,
  { all, adopted }: Options,
): Promise<string[]> {
  if (all !== true && adopted !== true) return [parseSingleGun(target)]
  const rows = await connection.call(listRepositories, { pattern: parsePattern(target) })
  const asked = adopted === true ? rows.filter((row) => !('damaged' in row) && !row.signedHere) : rows
  // Do not parse names: a damaged one must not stop the others. Damaged records without a name may be among those meant.
  if (asked.length > 0) return asked.map(({ gun }) => gun)
  const text = adopted === true ? 'names no repository that waits to be signed here' : 'names no repository'
  throw new TrustError('NOT_FOUND', `${target} ${text}`, {
    hint: [...belowText(target), '"countersign repo list" prints all names'].join('; '),
  })
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

/** Says how to name those below a name, for people who write it where a pattern is wanted; nothing for a pattern. */
export function belowText(name: string): string[] {
  return name.endsWith('*') ? [] : [`those below it are ${shellQuoted(`${name}/*`)}`]
}
