import { refuse } from '../errors.ts'
import type { Head } from '../store/store.ts'

/**
 * The most roles that a repository may ever have: their versions are remembered for ever, so that none is used twice, and
 * written with each change.
 */
const ROLES_MAX = 2_000
/** The most of these below one delegation of targets: its signers could otherwise use up the limit for everybody. */
const ROLES_BELOW_MAX = 100

/** All roles that a repository ever had, in the members of `highest`. */
type Named = Pick<Head, 'highest'>

/** Limits the number of roles. @throws TrustError INVALID_UPDATE for a new role if there are too many */
export function limitRoles(before: Named | undefined, after: Named): void {
  const names = Object.keys(after.highest)
  // A repository that is published anew may have new roles although it has fewer than before.
  if (names.length <= ROLES_BELOW_MAX || names.every((name) => before?.highest[name] !== undefined)) return
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
  return refuse('ErrBadTargets', `${what} at most ${most} roles, including removed ones`)
}
