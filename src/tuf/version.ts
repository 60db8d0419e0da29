import { refuse, TrustError } from '../errors.ts'
import type { Current } from './current.ts'
import { shellQuoted, type Gun } from './gun.ts'
import type { Metadata } from './metadata.ts'
import { isDelegation, parentOf, problemOf } from './role.ts'
import type { TargetsTree } from './targets-tree.ts'

/**
 * The highest version that a role may start with: later signers count on from there for years and must not run out of
 * numbers. In `targets/releases` they are other people than the one who started it.
 */
export const FIRST_VERSION_MAX = 2 ** 30
/** How far a version may exceed the stored one: enough for a slip, not for a fast-forward that locks publishers out. */
const VERSION_JUMP_MAX = 10

/**
 * Checks an upload's version (wire spec §5.3). Runs after the signature checks, as in Go's storage, so that a bad
 * signature is reported before an old version.
 *
 * @param now milliseconds since 1970
 * @throws TrustError VERSION, INVALID_UPDATE
 */
export function checkVersion(gun: Gun, upload: Metadata, current: Current, tree: TargetsTree, now: number): void {
  const { role, version } = upload
  const floor = current.floor(role)
  if (version <= floor) {
    const text = `${role} version ${version} is not newer than version ${floor}, which is stored already`
    throw new TrustError('VERSION', `${text}${wayOut(gun, upload, tree, current, now)}`)
  }
  const most = floor > 0 ? floor + VERSION_JUMP_MAX : FIRST_VERSION_MAX
  if (version > most) {
    const above = floor > 0 ? `more than ${VERSION_JUMP_MAX} above version ${floor}` : `too high to begin with`
    refuse(problemOf(role), `${role} version ${version} is ${above}`)
  }
}

/**
 * Returns what to do about a version that is too low. Most often another publish came first: clients then begin from
 * what is stored now. But they start again at version 1 each time the stored delegation has expired or does not verify
 * (wire spec §19.26). docker has no way out; notary has, and works with docker's keys. If an owner's snapshot dropped the
 * delegation, as `notary delegation remove` does, no client can continue from it, and readers who have it cached would
 * refuse a lower version. notary also starts again if one publish removes the delegation, adds it and signs in it.
 */
function wayOut(gun: Gun, { role, version }: Metadata, tree: TargetsTree, current: Current, now: number): string {
  const late = 'another publish came first, so do it again'
  if (!isDelegation(role)) return `: ${late}`
  // notary keeps a refused change and sends it first in its next publish, where it is refused again.
  const forget = `notary reset ${shellQuoted(gun)} --all`
  if (!current.roles.has(role)) {
    return `, and was removed since: clients begin it at version 1 again each time, so ${forget}, and delegate to another name`
  }
  const ended = (current.load(role)?.expires ?? Infinity) < now
  if (tree.believed(role) && !ended) {
    const anew = `this one removes the delegation and adds it again, so ${forget}, and change its keys and paths instead`
    return version === 1 && tree.uploaded(parentOf(role)) ? `: either ${late}; or ${anew}` : `: ${late}`
  }
  const why = ended ? 'and has ended' : 'signed by keys that were taken away'
  const resign = `${forget}, then notary witness -p ${shellQuoted(gun)} ${role}`
  return `, ${why}: whoever signs it now goes on from that with ${resign}`
}
