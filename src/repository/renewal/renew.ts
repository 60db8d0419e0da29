import { TrustError } from '../../errors.ts'
import type { Commit, Head } from '../../store/store.ts'
import type { Checksums } from '../../tuf/checksum.ts'
import type { Gun } from '../../tuf/gun.ts'
import { checkExpiry } from '../../tuf/metadata.ts'
import { isServerRole } from '../../tuf/role.ts'
import { badRoot, type Root } from '../../tuf/root.ts'
import { parseSnapshot } from '../../tuf/snapshot.ts'
import { change, SERVER_ACTOR, type Draft } from '../change.ts'
import { compose, makeSnapshot } from '../compose.ts'
import { recallCurrent, rootInForce } from '../current.ts'
import { damageMadeHere, isMadeHere, storedWhole, type Damage } from '../damage.ts'
import type { Signed } from '../sign-role.ts'
import { signedHere } from '../signed-here.ts'
import type { Trust } from '../trust.ts'
import { renewedTargets } from './targets.ts'

/**
 * What to re-sign. `due`: what has passed half of its life; `expired`: only what has expired, when it is read; `ahead`: what
 * has more life left than new documents get, since the clock was ahead.
 */
type When = 'due' | 'expired' | 'ahead'

/**
 * Re-signs the timestamp of a repository, and its snapshot and targets if the server holds their keys and half of their
 * life is over; and those that are damaged.
 *
 * @returns true if something was signed
 * @throws TrustError SIGNING_FAILED if root has expired, or an indispensable key is not here
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
    return mended.length === 0 ? draft : { ...draft, documents: storedWhole(draft.documents) }
  })
  if (!renewed) return false
  for (const { role, error } of mended) trust.log.error({ gun, role, err: error }, 'what was damaged was made anew')
  return true
}

/** True if the server signs this repository, and must re-sign something now. @param now milliseconds since 1970 */
export function isDue(trust: Trust, gun: Gun, head: Head, now: number, when: When): boolean {
  const timestamp = head.roles['timestamp']
  if (timestamp === undefined || !signedHere(head)) return false
  const timestampIsDue =
    when === 'due'
      ? (head.renewAt ?? Infinity) <= now
      : isTime(when, timestamp.expires, trust.policy.timestampLife, now)
  return timestampIsDue || snapshotIsDue(trust, gun, head, now, when)
}

/** The newly signed documents that the timestamp vouches for. */
interface Below {
  readonly snapshot?: Signed
  /** Never without a snapshot that names it. */
  readonly targets?: Signed | undefined
}

/**
 * Re-signs snapshot and targets that are due. Failures are logged unless the snapshot is needed now: it still has half of
 * its life left, and an unusable key must not hold up the timestamp, which lives for days.
 *
 * @throws TrustError if the snapshot cannot be signed, and has expired or is damaged while a reader waits for it
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
  // A reader should wait only for what it needs. That may include targets, which expire after years without a server.
  const isNeeded = when === 'due' || (head.roles['targets']?.expires ?? Infinity) < now
  const targets = isNeeded ? await renewedTargets(trust, gun, head, root, now) : undefined
  const isDamaged = damage.some(({ role }) => role === 'snapshot')
  try {
    const isWanted = targets !== undefined || isDamaged || snapshotIsDue(trust, gun, head, now, when)
    if (!isWanted && (when !== 'due' || !namesUnadoptedRoles(trust, gun, head))) return {}
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

/** Returns the checksums that a snapshot must name. @param targets new targets, if any */
export function filesOf(head: Head, targets?: Signed): Map<string, Checksums> {
  const files = new Map<string, Checksums>(Object.entries(head.roles).filter(([role]) => !isServerRole(role)))
  if (targets !== undefined) files.set('targets', targets.metadata.checksums)
  return files
}

/** True if the snapshot is due and the server makes it. A client must renew its own; clients notice when it has expired. */
function snapshotIsDue(trust: Trust, gun: Gun, head: Head, now: number, when: When): boolean {
  const snapshot = head.roles['snapshot']
  if (snapshot === undefined) return false
  return isTime(when, snapshot.expires, trust.policy.snapshotLife, now) && isMadeHere(trust, gun, head, 'snapshot')
}

/** True if a server-made snapshot names roles that were not adopted with the repository: clients refuse that. */
function namesUnadoptedRoles(trust: Trust, gun: Gun, head: Head): boolean {
  const snapshot = recallCurrent(trust, gun, head, 'snapshot')
  if (snapshot === undefined || !isMadeHere(trust, gun, head, 'snapshot')) return false
  return [...parseSnapshot(snapshot).keys()].some((role) => head.roles[role] === undefined)
}

/** @param life the life of a new document; all times in milliseconds */
function isTime(when: When, expires: number, life: number, now: number): boolean {
  const left = expires - now
  if (when === 'expired') return left < 0
  return when === 'due' ? left < life / 2 : left > life
}
