import { refuse, TrustError } from '../errors.ts'
import type { Current } from './current.ts'
import { typed, type Gun } from './gun.ts'
import type { Metadata } from './metadata.ts'
import { isDelegation, problemOf, type Role } from './role.ts'
import type { TargetsTree } from './targets-tree.ts'

/**
 * Versions that a role may begin with: who follows counts on from there, for years, and must not come to the end of the
 * numbers. In `targets/releases` that is not who began.
 */
export const FIRST_VERSION_MAX = 2 ** 30
/** How far a version may go beyond the stored one: a slip, not a fast-forward that locks publishers out. */
const VERSION_JUMP_MAX = 10

/**
 * Wire spec §5.3; after the signatures, as Go's storage does it, so that a bad signature is told before an old version.
 *
 * @param now milliseconds since 1970
 * @throws TrustError VERSION, INVALID_UPDATE
 */
export function checkVersion(gun: Gun, upload: Metadata, current: Current, tree: TargetsTree, now: number): void {
  const { role, version } = upload
  const floor = current.floor(role)
  if (version <= floor) {
    const text = `${role} version ${version} is not newer than version ${floor}, which is stored already`
    throw new TrustError('VERSION', `${text}${begunAnew(gun, role, tree, current, now)}`)
  }
  const most = floor > 0 ? floor + VERSION_JUMP_MAX : FIRST_VERSION_MAX
  if (version > most) {
    const above = floor > 0 ? `more than ${VERSION_JUMP_MAX} above version ${floor}` : `too high to begin with`
    refuse(problemOf(role), `${role} version ${version} is ${above}`)
  }
}

/**
 * Clients that do not believe what is stored of a delegation, or find that it has ended, begin anew, at version 1, each
 * time (wire spec §19.26). docker has no way out; notary has, and works with docker's keys. Where an owner's snapshot has
 * dropped it, as `notary delegation remove` does, there is nothing to go on from, and who has the old one cached would
 * refuse a version below it.
 */
function begunAnew(gun: Gun, role: Role, tree: TargetsTree, current: Current, now: number): string {
  if (!isDelegation(role)) return ''
  // notary keeps what was refused for its next publish, where it comes first and is refused again.
  const forget = `notary reset ${typed(gun)} --all`
  if (!current.roles.has(role)) {
    return `, and was removed since: clients begin it at version 1 again each time, so ${forget}, and delegate to another name`
  }
  const ended = (current.load(role)?.expires ?? Infinity) < now
  if (tree.believed(role) && !ended) return ''
  const why = ended ? 'and has ended' : 'signed by keys that were taken away'
  const resign = `${forget}, then notary witness -p ${typed(gun)} ${role}`
  return `, ${why}: whoever signs it now goes on from that with ${resign}`
}
