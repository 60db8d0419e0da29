import { setImmediate } from 'node:timers/promises'
import { TrustError } from '../errors.ts'
import type { Head } from '../store/store.ts'
import { checkFileMeta } from '../tuf/file-meta.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Fail } from '../tuf/json/members.ts'
import { checkThreshold, thresholdFault } from '../tuf/keys/threshold.ts'
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
 * Reads a repository as its most distrustful client would: every root from the first on, each signed by the previous one;
 * then timestamp → snapshot → root, targets, delegations, by hash, length and signature. This server's stricter rules were
 * applied when the documents came.
 *
 * @param now milliseconds since 1970
 * @returns warnings about what clients tolerate but people should know: expired documents, skipped delegations
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
  const lost = missingRoles(meta.keys(), head, delegated).map(
    (role) => `the snapshot names ${role}, which is not there`,
  )
  if (lost[0] !== undefined && signedHere(head)) fail(lost[0])
  const unread = lost.map((text) => `${text}: clients can read nothing until this server has signed another one`)
  const fault = rootFault(root, gun, now)
  return [...(fault === undefined ? [] : [fault]), ...expiredRoles(head, delegated, now), ...unread, ...warnings]
}

/** Says why clients refuse a repository because of its root certificates; undefined if they do not. */
export function rootFault(root: Root, gun: Gun, now: number): string | undefined {
  if (isAlive(root, gun, now)) return undefined
  const begins = aliveFrom(root, gun, now)
  if (begins === undefined) return 'root certificates have expired: clients refuse this repository'
  return `root certificates are not valid before ${formatTime(begins)}: clients refuse this repository until then`
}

/**
 * Returns the delegated roles that a snapshot names but that are not stored here: clients ask for them, and without them
 * read nothing. Adopted repositories may lack roles that are no longer delegated and, if they came from a client's cache,
 * delegations that it had skipped.
 *
 * @param named roles that the snapshot names
 */
export function missingRoles(named: Iterable<string>, head: Head, delegated: ReadonlySet<string>): string[] {
  return [...named].filter((role) => head.roles[role] === undefined && delegated.has(role))
}

/**
 * Verifies all roots and returns the current one. Checks the certificates of the current one at the time of its commit, and
 * earlier ones by their signatures only: their certificates may have ended before they came here (`adopt`).
 */
async function walkRoots(trust: Documents, gun: Gun, head: Head): Promise<Root> {
  const last = head.roles['root']?.version ?? 0
  let root: Root | undefined
  for (let version = 1; version <= last; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    // The first root may be version 2 (wire spec §5.3), or a later one of another server; after it there may be no gap.
    if (document === undefined && root === undefined && version < last) continue
    if (document === undefined) return fail(`root version ${version} is missing`)
    const next = storedRoot(parseMetadata('root', document.bytes))
    verifyRoot(next, root, gun, version === last ? document.createdAt : undefined)
    root = next
    // There may be hundreds, and each may name all earlier certificates.
    await setImmediate()
  }
  return root ?? fail('there is no root')
}

function need(trust: Documents, gun: Gun, head: Head, role: Role): Metadata {
  const metadata = loadCurrent(trust, gun, head, role) ?? fail(`there is no ${role}`)
  if (metadata.version !== head.roles[role]?.version) fail(`${role} has a different version than the head says`)
  return metadata
}

/** Returns texts for expired roles. @param delegated all delegations; removed ones do not count, since nobody reads them */
function expiredRoles(head: Head, delegated: ReadonlySet<string>, now: number): string[] {
  const read = Object.entries(head.roles).filter(([role]) => !isDelegation(role) || delegated.has(role))
  return read.flatMap(([role]) => whyExpired(head, role, now) ?? [])
}

/** Says that a role has expired; undefined if it has not, or does not exist. @param now milliseconds since 1970 */
export function whyExpired(head: Head, role: string, now: number): string | undefined {
  const { expires = Infinity } = head.roles[role] ?? {}
  return expires < now ? `${role} expired at ${new Date(expires).toISOString()}` : undefined
}

/** Says why clients skip a delegation, with a warning; undefined if they read it. */
export function whySkipped(metadata: Metadata, delegation: Delegation): string | undefined {
  const fault = thresholdFault(metadata, delegation)
  return fault && `clients skip ${delegation.name}: ${fault}`
}

/** Returns all delegations, and why clients skip some: below their threshold since a key was purged, for example. */
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
