import { setImmediate } from 'node:timers/promises'
import { TrustError } from '../errors.ts'
import type { Head } from '../store/store.ts'
import { checkFileMeta } from '../tuf/file-meta.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Fail } from '../tuf/json/members.ts'
import { checkThreshold } from '../tuf/keys/threshold.ts'
import { parseMetadata, type Metadata } from '../tuf/metadata.ts'
import { isDelegation, isServerRole, type Role } from '../tuf/role.ts'
import { aliveFrom, isAlive, storedRoot, verifyRoot, type Root } from '../tuf/root.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTargets, type Delegation, type Targets } from '../tuf/targets.ts'
import { formatTime } from '../tuf/time.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { loadCurrent } from './current.ts'
import { signedHere } from './signed-here.ts'
import type { Documents } from './trust.ts'

const fail: Fail = (text) => {
  throw new TrustError('CORRUPT', text)
}

/**
 * Read a repository as its most distrustful client would: every root from the first one on, each signed by the one before
 * it; then timestamp → snapshot → root, targets, delegations, by hash, length and signature. What such a client takes, and
 * this server does not, was judged when it came.
 *
 * @param now milliseconds since 1970
 * @returns what a client would not be refused for but people should know: what has expired, delegations that are skipped
 * @throws TrustError for the first thing that a client would refuse
 */
export async function viewAsClient(trust: Documents, gun: Gun, head: Head, now: number): Promise<string[]> {
  const root = await walkRoots(trust, gun, head)
  const timestamp = need(trust, gun, head, 'timestamp')
  checkThreshold(timestamp, root.roles.timestamp, fail)
  const snapshot = need(trust, gun, head, 'snapshot')
  checkFileMeta(parseTimestamp(timestamp), snapshot.checksums, 'snapshot', fail)
  checkThreshold(snapshot, root.roles.snapshot, fail)
  const meta = parseSnapshot(snapshot)
  for (const [role, state] of Object.entries(head.roles)) {
    if (isServerRole(role)) continue
    const entry = meta.get(role) ?? fail(`the snapshot does not name ${role}, which is current`)
    checkFileMeta(entry, state, role, fail)
  }
  const targets = need(trust, gun, head, 'targets')
  checkThreshold(targets, root.roles.targets, fail)
  const { warnings, delegated } = viewDelegations(trust, gun, head, parseTargets(targets))
  const lost = notHere(meta.keys(), head, delegated).map((role) => `the snapshot names ${role}, which is not there`)
  if (lost[0] !== undefined && signedHere(head)) fail(lost[0])
  const unread = lost.map((text) => `${text}: clients can read nothing until this server has signed another one`)
  return [...rootFault(root, gun, now), ...expiredRoles(head, delegated, now), ...unread, ...warnings]
}

/** Why clients refuse all of a repository, however new the rest of it is; empty: they do not. */
export function rootFault(root: Root, gun: Gun, now: number): string[] {
  if (isAlive(root, gun, now)) return []
  const begins = aliveFrom(root, gun, now)
  if (begins === undefined) return ['root certificates have expired: clients refuse this repository']
  return [`root certificates begin at ${formatTime(begins)}: clients refuse this repository until then`]
}

/**
 * What a snapshot names and is not here, of what clients ask for: then they read nothing. Adopted repositories may be without
 * what is delegated no more, and from a client's cache without delegations that it had skipped.
 *
 * @param named by the snapshot
 */
export function notHere(named: Iterable<string>, head: Head, delegated: ReadonlySet<string>): string[] {
  return [...named].filter((role) => head.roles[role] === undefined && delegated.has(role))
}

/**
 * The current root is judged at the time when it was committed; the ones before it by their signatures alone: they may
 * have ended before they came here (`adopt`).
 */
async function walkRoots(trust: Documents, gun: Gun, head: Head): Promise<Root> {
  const last = head.roles['root']?.version ?? 0
  let root: Root | undefined
  for (let version = 1; version <= last; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    // A first root may be version 2 (wire spec §5.3), or what was left of another server's; after it there is no gap.
    if (document === undefined && root === undefined && version < last) continue
    if (document === undefined) return fail(`root version ${version} is missing`)
    const next = storedRoot(parseMetadata('root', document.bytes))
    verifyRoot(next, root, gun, version === last ? document.createdAt : undefined)
    root = next
    // There may be hundreds, and each may name all certificates that were before it.
    await setImmediate()
  }
  return root ?? fail('there is no root')
}

function need(trust: Documents, gun: Gun, head: Head, role: Role): Metadata {
  const metadata = loadCurrent(trust, gun, head, role) ?? fail(`there is no ${role}`)
  if (metadata.version !== head.roles[role]?.version) fail(`${role} has another version than the head says`)
  return metadata
}

/** @param delegated all delegations: one that was removed nobody reads */
function expiredRoles(head: Head, delegated: ReadonlySet<string>, now: number): string[] {
  const read = Object.entries(head.roles).filter(([role]) => !isDelegation(role) || delegated.has(role))
  return read.flatMap(([role]) => whyEnded(head, role, now) ?? [])
}

/** For people; undefined: it has not ended, or is not there. @param now milliseconds since 1970 */
export function whyEnded(head: Head, role: string, now: number): string | undefined {
  const { expires = Infinity } = head.roles[role] ?? {}
  return expires < now ? `${role} expired at ${new Date(expires).toISOString()}` : undefined
}

/** Why clients leave a delegation out, with a warning; undefined: they read it. */
export function whySkipped(metadata: Metadata, delegation: Delegation): string | undefined {
  try {
    checkThreshold(metadata, delegation, fail)
    return undefined
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    return `clients skip ${delegation.name}: ${error.message}`
  }
}

/** All delegations, and why clients leave some out with a warning: below their threshold since a key was purged, say. */
function viewDelegations(
  trust: Documents,
  gun: Gun,
  head: Head,
  top: Targets,
): { readonly delegated: ReadonlySet<string>; readonly warnings: readonly string[] } {
  const delegated = new Set<string>()
  const warnings: string[] = []
  const walk = (parent: Targets): void => {
    for (const delegation of parent.delegations.values()) {
      delegated.add(delegation.name)
      const metadata = loadCurrent(trust, gun, head, delegation.name)
      if (metadata === undefined) continue
      const why = whySkipped(metadata, delegation)
      if (why === undefined) walk(parseTargets(metadata))
      else warnings.push(why)
    }
  }
  walk(top)
  return { delegated, warnings }
}
