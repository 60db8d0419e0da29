import { refuse, TrustError } from '../errors.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Checksums } from '../tuf/checksum.ts'
import type { Fail } from '../tuf/members.ts'
import { checkExpiry } from '../tuf/metadata.ts'
import { parseRoot, type Root } from '../tuf/root.ts'
import { change, SERVER_ACTOR, type Draft } from './change.ts'
import { compose } from './compose.ts'
import { recallCurrent } from './current.ts'
import { renewedTargets } from './renew-targets.ts'
import { holdsRole } from './sign-role.ts'
import type { Trust } from './trust.ts'

const badRoot: Fail = (text) => refuse('ErrBadRoot', text)

/**
 * Re-sign the timestamp of a repository, and its snapshot and targets where the server holds the key and half of their
 * life is over.
 *
 * @param when `due`: half of the timestamp's life is over; `expired`: only what has expired (when it is read)
 * @returns true when something was signed
 * @throws TrustError SIGNING_FAILED if root has expired or a key is not here
 */
export async function renew(trust: Trust, gun: Gun, when: 'due' | 'expired'): Promise<boolean> {
  return change(trust, gun, async (head, now) => {
    const timestamp = head?.roles['timestamp']
    if (head === undefined || timestamp === undefined) return undefined
    const makeSnapshot = snapshotIsDue(trust, gun, head, now, when)
    const timestampIsDue = when === 'expired' ? timestamp.expires < now : (head.renewAt ?? Infinity) <= now
    if (!makeSnapshot && !timestampIsDue) return undefined
    return resign(trust, gun, head, now, makeSnapshot ? 'make' : 'keep', when)
  })
}

async function resign(
  trust: Trust,
  gun: Gun,
  head: Head,
  now: number,
  snapshot: 'make' | 'keep',
  when: 'due' | 'expired',
): Promise<Draft> {
  const root = currentRoot(trust, gun, head)
  try {
    checkExpiry(root.metadata, now, badRoot)
  } catch (cause) {
    throw new TrustError('SIGNING_FAILED', `nothing can be signed for ${gun}: its root has expired`, { cause })
  }
  const files = new Map<string, Checksums>(
    Object.entries(head.roles).filter(([role]) => role !== 'snapshot' && role !== 'timestamp'),
  )
  // A read waits for what it needs, and for no more.
  const targets = when === 'due' ? await renewedTargets(trust, gun, head, root, now) : undefined
  if (targets !== undefined) files.set('targets', targets.metadata.checksums)
  const draft = await compose(trust, gun, head, now, {
    root,
    documents: targets === undefined ? [] : [targets.metadata],
    files,
    snapshot: targets === undefined ? snapshot : 'make',
  })
  return { kind: 'renew', actor: SERVER_ACTOR, ...draft, keys: [...draft.keys, ...(targets?.keys ?? [])] }
}

function currentRoot(trust: Trust, gun: Gun, head: Head): Root {
  const metadata = recallCurrent(trust, gun, head, 'root')
  if (metadata === undefined) throw new TrustError('CORRUPT', `${gun} has a timestamp and no root`)
  return parseRoot(metadata)
}

/** A client's snapshot is the client's to renew: clients say so themselves when it has expired. */
function snapshotIsDue(trust: Trust, gun: Gun, head: Head, now: number, when: 'due' | 'expired'): boolean {
  const snapshot = head.roles['snapshot']
  if (snapshot === undefined) return false
  const due = when === 'expired' ? snapshot.expires < now : snapshot.expires - now < trust.policy.snapshotLife / 2
  if (!due) return false
  const { snapshot: named } = currentRoot(trust, gun, head).roles
  return holdsRole(trust, gun, 'snapshot', named)
}
