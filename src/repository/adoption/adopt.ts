import type { Actor, Commit, Head } from '../../store/store.ts'
import { fileMetaFault } from '../../tuf/file-meta.ts'
import { mustBeUnder, type Gun } from '../../tuf/gun.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { parseRoot } from '../../tuf/root.ts'
import { parseSnapshot } from '../../tuf/snapshot.ts'
import { changeWithResult, type Draft } from '../change.ts'
import { highestOf, newDocument, stateOf } from '../compose.ts'
import { isReadable } from '../put-back.ts'
import { roleChanges } from '../role-changes.ts'
import { withoutStagedRoot } from '../roots/staged.ts'
import { holdsRole } from '../sign-role.ts'
import { signedHere } from '../signed-here.ts'
import { tagChanges } from '../tag-changes.ts'
import type { Trust } from '../trust.ts'
import { verifyOffered, refuseKeysOfOthers, type OfferSummary } from './check.ts'
import { readOffered, type ForeignDocument, type Offered } from './offer.ts'
import { lostRoots, mustContinueCurrent, mustLeaveNothingBehind } from './order.ts'

/** The result of an adoption. */
export interface Adopted extends OfferSummary {
  /** False if everything was here already. */
  readonly changed: boolean
  /** True if this server has the timestamp key, and so signs timestamps from now on. */
  readonly signedHere: boolean
}

/**
 * Adopts a repository from another server, byte for byte: the roots that clients may have cached, and the current documents.
 * Verifies it as the most distrustful client would, but accepts expired documents, with a warning: a new root can follow
 * as long as the root certificates live. While this server cannot sign its timestamp, it serves the documents as they are,
 * and newer states may be adopted the same way. Afterwards it only tells whether anything was left behind.
 *
 * @param trusted checksum (hex SHA-256) of a root that somebody trusts: it must be among the repository's roots
 * @throws TrustError INVALID_GUN; MALFORMED_JSON; INVALID_UPDATE if a client would refuse it; VERSION if it is older than
 *   what is here, or contradicts it; WRONG_STATE if this server signs the repository already, and this would be new
 */
export async function adopt(
  trust: Trust,
  gun: Gun,
  documents: readonly ForeignDocument[],
  trusted: string | undefined,
  actor: Actor,
): Promise<Adopted> {
  mustBeUnder(gun, trust.policy.gunPrefixes)
  return changeWithResult(trust, gun, async (head, now) => {
    const offered = readOffered(trust, documents, now)
    const takenOver = head?.roles['root'] !== undefined && signedHere(head)
    if (takenOver) mustLeaveNothingBehind(trust, gun, offered)
    else mustContinueCurrent(trust, gun, head, offered)
    refuseKeysOfOthers(trust, gun, offered)
    const next = nextHead(trust, gun, head, offered, now)
    const seen = await verifyOffered(offered, gun, next, trusted, now)
    const lost = await lostRoots(trust, gun, head, offered)
    const changed = !takenOver && !isHere(trust, gun, head, offered, next)
    const found = { ...seen, changed, signedHere: takenOver || signedHere(next), warnings: [...seen.warnings, ...lost] }
    if (!changed) return [undefined, found]
    const others = [...offered.current.values()].filter(
      ({ role, checksums }) => head?.roles[role]?.sha256 !== checksums.sha256,
    )
    const draft: Draft = {
      kind: 'publish',
      actor,
      head: next,
      documents: offered.documents.map((each) => ({
        ...newDocument(each),
        whole: needsRewrite(trust, gun, head, each),
      })),
      // A staged root was made to follow the root that was current.
      records:
        head?.roles['root']?.sha256 === next.roles['root']?.sha256 ? [] : withoutStagedRoot(trust, gun, 'superseded'),
      changes: tagChanges(trust, gun, head, others),
      roles: roleChanges(trust, gun, head, others),
    }
    return [draft, found]
  })
}

/** True if the stored copy of a document is damaged or lost, so that it must be written again. */
function needsRewrite(trust: Trust, gun: Gun, head: Head | undefined, document: Metadata): boolean {
  return document.version <= (head?.highest[document.role] ?? 0) && !isReadable(trust, gun, document)
}

/**
 * True if everything is here already. Older roots may be new here even if all current documents are not. A role that is
 * here and not offered stays as long as the snapshot is the same, which names it.
 */
function isHere(trust: Trust, gun: Gun, head: Head | undefined, { documents }: Offered, next: Commit['head']): boolean {
  const same = Object.entries(next.roles).every(([role, { sha256 }]) => head?.roles[role]?.sha256 === sha256)
  return same && documents.every((each) => isReadable(trust, gun, each))
}

function nextHead(trust: Trust, gun: Gun, head: Head | undefined, { current }: Offered, now: number): Commit['head'] {
  const { snapshot, timestamp } = parseRoot(current.get('root')!).roles
  const highest = highestOf(head)
  // After a delete, the publisher continues with the adopted snapshot: versions that this server made before do not count.
  if (head?.roles['root'] === undefined && !holdsRole(trust, gun, 'snapshot', snapshot)) delete highest['snapshot']
  for (const [role, { version }] of current) highest[role] = Math.max(version, highest[role] ?? 0)
  const roles = Object.fromEntries([...current].map(([role, metadata]) => [role, stateOf(metadata)]))
  const meta = parseSnapshot(current.get('snapshot')!)
  for (const [role, state] of Object.entries(head?.roles ?? {})) {
    // A client's cache lacks roles that clients skip; they may be here already, adopted from the server itself.
    const entry = current.has(role) ? undefined : meta.get(role)
    if (entry !== undefined && fileMetaFault(entry, state, role) === undefined) roles[role] = state
  }
  return { roles, highest, renewAt: holdsRole(trust, gun, 'timestamp', timestamp) ? now : null }
}
