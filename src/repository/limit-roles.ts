import { refuse } from '../errors.ts'
import type { Head } from '../store/store.ts'

/**
 * Roles that a repository may have had: versions are remembered for good, so that none comes twice, and are written with
 * each change.
 */
const ROLES_MAX = 2_000
/** Of these below one delegation of targets: who signs there could use up the names of all others, the owner's too. */
const ROLES_BELOW_MAX = 100

/** The roles that a change leaves a repository with, of which some may be new. */
type Named = Pick<Head, 'highest'>

/** @throws TrustError INVALID_UPDATE for a new role where there are too many */
export function limitRoles(before: Named | undefined, after: Named): void {
  const names = Object.keys(after.highest)
  if (names.length <= ROLES_BELOW_MAX || names.length <= Object.keys(before?.highest ?? {}).length) return
  if (names.length > ROLES_MAX) tooMany('a repository has', ROLES_MAX)
  const below = new Map<string, number>()
  for (const name of names) {
    const [, first, second] = name.split('/')
    if (first === undefined || second === undefined) continue
    const count = (below.get(first) ?? 0) + 1
    below.set(first, count)
    if (count > ROLES_BELOW_MAX) tooMany(`targets/${first} has below it`, ROLES_BELOW_MAX)
  }
}

function tooMany(what: string, most: number): never {
  return refuse('ErrBadTargets', `${what} at most ${most} roles, those counted that were removed`)
}
