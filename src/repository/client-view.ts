import { TrustError } from '../errors.ts'
import type { Head } from '../store/store.ts'
import { checkFileMeta } from '../tuf/file-meta.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Fail } from '../tuf/members.ts'
import { parseMetadata, type Metadata } from '../tuf/metadata.ts'
import { isTargetsRole, type DelegationRole, type Role } from '../tuf/role.ts'
import { parseRoot, verifyRoot, type Root } from '../tuf/root.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTargets, type Targets } from '../tuf/targets.ts'
import { checkThreshold } from '../tuf/threshold.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { loadCurrent } from './current.ts'
import type { Readable } from './trust.ts'

const fail: Fail = (text) => {
  throw new TrustError('CORRUPT', text)
}

/**
 * Read a repository as its most distrustful client would: every root from the first one on, each signed by the one
 * before it; then timestamp → snapshot → root, targets, delegations, by hash, length and signature.
 *
 * @param now milliseconds since 1970
 * @returns what a client would not be refused for but people should know: what has expired, delegations that are skipped
 * @throws TrustError for the first thing that a client would refuse
 */
export function viewAsClient(trust: Readable, gun: Gun, head: Head, now: number): string[] {
  const root = walkRoots(trust, gun, head)
  const timestamp = need(trust, gun, head, 'timestamp')
  checkThreshold(timestamp, root.roles.timestamp, fail)
  const snapshot = need(trust, gun, head, 'snapshot')
  checkFileMeta(parseTimestamp(timestamp), snapshot.checksums, 'snapshot', fail)
  checkThreshold(snapshot, root.roles.snapshot, fail)
  const { meta } = parseSnapshot(snapshot)
  for (const [role, state] of Object.entries(head.roles)) {
    if (role === 'timestamp' || role === 'snapshot') continue
    const entry = meta.get(role) ?? fail(`the snapshot does not name ${role}, which is current`)
    checkFileMeta(entry, state, role, fail)
  }
  for (const role of meta.keys()) {
    if (head.roles[role] === undefined) fail(`the snapshot names ${role}, which is not there`)
  }
  const targets = need(trust, gun, head, 'targets')
  checkThreshold(targets, root.roles.targets, fail)
  return [...expiredRoles(head, now), ...skippedDelegations(trust, gun, head, parseTargets(targets))]
}

/** Every root is judged at the time when it was committed. */
function walkRoots(trust: Readable, gun: Gun, head: Head): Root {
  const last = head.roles['root']?.version ?? 0
  let root: Root | undefined
  for (let version = 1; version <= last; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    // A first root may be version 2 (wire spec §5.3); after it there is no gap.
    if (document === undefined && version === 1 && last > 1) continue
    if (document === undefined) return fail(`root version ${version} is missing`)
    const next = parseRoot(parseMetadata('root', document.bytes))
    verifyRoot(next, root, gun, document.createdAt)
    root = next
  }
  return root ?? fail('there is no root')
}

function need(trust: Readable, gun: Gun, head: Head, role: Role): Metadata {
  const metadata = loadCurrent(trust, gun, head, role) ?? fail(`there is no ${role}`)
  if (metadata.version !== head.roles[role]?.version) fail(`${role} has another version than the head says`)
  return metadata
}

function expiredRoles(head: Head, now: number): string[] {
  const expired = Object.entries(head.roles).filter(([, state]) => state.expires < now)
  return expired.map(([role, state]) => `${role} expired at ${new Date(state.expires).toISOString()}`)
}

/** Delegations that clients leave out with a warning: below their threshold since a key was purged, say. */
function skippedDelegations(trust: Readable, gun: Gun, head: Head, parent: Targets): string[] {
  return [...parent.delegations.values()].flatMap((delegation) => {
    const metadata = loadCurrent(trust, gun, head, delegation.name satisfies DelegationRole)
    if (metadata === undefined || !isTargetsRole(metadata.role)) return []
    try {
      checkThreshold(metadata, delegation, fail)
    } catch (error) {
      if (!(error instanceof TrustError)) throw error
      return [`clients skip ${delegation.name}: ${error.message}`]
    }
    return skippedDelegations(trust, gun, head, parseTargets(metadata))
  })
}
