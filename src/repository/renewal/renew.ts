import { refuse, TrustError } from '../../errors.ts'
import type { Commit, Head } from '../../store/store.ts'
import type { Checksums } from '../../tuf/checksum.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Fail } from '../../tuf/json/members.ts'
import { checkExpiry } from '../../tuf/metadata.ts'
import { isServerRole } from '../../tuf/role.ts'
import type { Root } from '../../tuf/root.ts'
import { parseSnapshot } from '../../tuf/snapshot.ts'
import { change, SERVER_ACTOR, type Draft } from '../change.ts'
import { compose, makeSnapshot } from '../compose.ts'
import { recallCurrent, rootInForce } from '../current.ts'
import { damageMadeHere, isMadeHere, type Damage } from '../damage.ts'
import type { Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { renewedTargets } from './targets.ts'

const badRoot: Fail = (text) => refuse('ErrBadRoot', text)

/**
 * What is signed anew. `due`: half of its life is over; `expired`: only what has expired (when it is read); `ahead`: what
 * has more life left than it is given, since the clock was ahead.
 */
type When = 'due' | 'expired' | 'ahead'

/**
 * Re-sign the timestamp of a repository, and its snapshot and targets where the server holds the key and half of their
 * life is over; and what of that is damaged.
 *
 * @returns true when something was signed
 * @throws TrustError SIGNING_FAILED if root has expired or a key is not here that nothing can be served without
 */
export async function renew(trust: Trust, gun: Gun, when: When): Promise<boolean> {
  let mended: readonly Damage[] = []
  const renewed = await change(trust, gun, async (head, now) => {
    if (head === undefined) return undefined
    const damage = damageMadeHere(trust, gun, head)
    if (damage.length === 0 && !isDue(trust, gun, head, now, when)) return undefined
    const root = rootInForce(trust, gun, head)
    try {
      checkExpiry(root.metadata, now, badRoot)
    } catch (cause) {
      throw new TrustError('SIGNING_FAILED', `nothing can be signed for ${gun}: its root has expired`, { cause })
    }
    const below = await renewedBelow(trust, gun, head, root, now, when, damage)
    const draft = await resign(trust, gun, head, root, now, below)
    mended = damage.filter((each) => draft.documents.some(({ role }) => role === each.role))
    if (mended.length === 0) return draft
    // What they would be a difference to may be what is damaged.
    return { ...draft, documents: draft.documents.map((document) => ({ ...document, whole: true })) }
  })
  if (!renewed) return false
  for (const { role, error } of mended) trust.log.error({ gun, role, err: error }, 'what was damaged was made anew')
  return true
}

/**
 * True if there is something that the server has to sign anew, and can.
 *
 * @param now milliseconds since 1970
 */
export function isDue(trust: Trust, gun: Gun, head: Head, now: number, when: When): boolean {
  const timestamp = head.roles['timestamp']
  if (timestamp === undefined) return false
  const timestampIsDue =
    when === 'due'
      ? (head.renewAt ?? Infinity) <= now
      : isTime(when, timestamp.expires, trust.policy.timestampLife, now)
  return timestampIsDue || snapshotIsDue(trust, gun, head, now, when)
}

/** What the timestamp vouches for, signed anew. */
interface Below {
  readonly snapshot?: Signed
  /** Never without a snapshot that names it. */
  readonly targets?: Signed | undefined
}

/**
 * Snapshot and targets that are due. A snapshot has as much time left as it had until now: a key that cannot be used now
 * must not hold up the timestamp, which lives for days.
 *
 * @throws TrustError if a snapshot has expired, or is damaged and waited for, and cannot be signed
 */
async function renewedBelow(
  trust: Trust,
  gun: Gun,
  head: Head,
  root: Root,
  now: number,
  when: When,
  damage: readonly Damage[],
): Promise<Below> {
  // A read waits for what it needs, and for no more: after years without a server targets have ended too.
  const isNeeded = when === 'due' || (head.roles['targets']?.expires ?? Infinity) < now
  const targets = isNeeded ? await renewedTargets(trust, gun, head, root, now) : undefined
  const isDamaged = damage.some(({ role }) => role === 'snapshot')
  try {
    const isWanted = targets !== undefined || isDamaged || snapshotIsDue(trust, gun, head, now, when)
    if (!isWanted && (when !== 'due' || !namesTooMuch(trust, gun, head))) return {}
    return { targets, snapshot: await makeSnapshot(trust, gun, head, now, root, filesOf(head, targets)) }
  } catch (error) {
    const isGone = (isDamaged && when === 'expired') || (head.roles['snapshot']?.expires ?? 0) < now
    if (!(error instanceof TrustError) || isGone) throw error
    trust.log.error({ gun, err: error }, 'renewal of the snapshot failed')
    return {}
  }
}

async function resign(
  trust: Trust,
  gun: Gun,
  head: Head,
  root: Root,
  now: number,
  { targets, snapshot }: Below,
): Promise<Draft & Pick<Commit, 'documents'>> {
  const made = [targets, snapshot].filter((each) => each !== undefined)
  const draft = await compose(trust, gun, head, now, {
    root,
    documents: made.map(({ metadata }) => metadata),
    files: filesOf(head, targets),
    makesSnapshot: false,
  })
  return { kind: 'renew', actor: SERVER_ACTOR, ...draft, keys: [...draft.keys, ...made.flatMap(({ keys }) => keys)] }
}

/** What the snapshot names. @param targets that are to become current */
export function filesOf(head: Head, targets?: Signed): Map<string, Checksums> {
  const files = new Map<string, Checksums>(Object.entries(head.roles).filter(([role]) => !isServerRole(role)))
  if (targets !== undefined) files.set('targets', targets.metadata.checksums)
  return files
}

/** A client's snapshot is the client's to renew: clients say so themselves when it has expired. */
function snapshotIsDue(trust: Trust, gun: Gun, head: Head, now: number, when: When): boolean {
  const snapshot = head.roles['snapshot']
  if (snapshot === undefined) return false
  return isTime(when, snapshot.expires, trust.policy.snapshotLife, now) && isMadeHere(trust, gun, head, 'snapshot')
}

/** Of an adopted repository not all may have come along: clients refuse what names more than there is. */
function namesTooMuch(trust: Trust, gun: Gun, head: Head): boolean {
  const snapshot = recallCurrent(trust, gun, head, 'snapshot')
  if (snapshot === undefined || !isMadeHere(trust, gun, head, 'snapshot')) return false
  return [...parseSnapshot(snapshot).keys()].some((role) => head.roles[role] === undefined)
}

/** @param life that it is given; all in milliseconds */
function isTime(when: When, expires: number, life: number, now: number): boolean {
  const left = expires - now
  if (when === 'expired') return left < 0
  return when === 'due' ? left < life / 2 : left > life
}
