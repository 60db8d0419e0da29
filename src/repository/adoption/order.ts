import { damageIn, TrustError, unlessDamaged } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import { withoutBlocking } from '../../store/without-blocking.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import { isDelegation } from '../../tuf/role.ts'
import { isReadable } from '../put-back.ts'
import type { Documents, Readable } from '../trust.ts'
import type { Offered } from './offer.ts'

/**
 * Throws unless the offered documents continue what is here: no older versions, and no other content for the same version.
 *
 * @throws TrustError VERSION; INVALID_UPDATE if clients could not follow from the root that is here to the new one
 */
export function mustContinueCurrent(
  { store }: Documents,
  gun: Gun,
  head: Head | undefined,
  { current, documents }: Offered,
): void {
  if (head?.roles['root'] === undefined) return
  // A delegation that was missing for a while must return as it was, or newer: clients may have it cached.
  for (const [role, { version }] of current) {
    const seen = isDelegation(role) ? (head.highest[role] ?? 0) : 0
    if (version < seen) throw olderThanHere(gun, role, seen, version)
  }
  for (const [role, here] of Object.entries(head.roles)) {
    const there = current.get(role)
    // Only delegations may be missing.
    if (there !== undefined && there.version < here.version) {
      throw olderThanHere(gun, role, here.version, there.version)
    }
  }
  for (const { role, version, checksums } of documents) {
    // The offered document may replace a damaged one: its checksum is compared when it is written.
    const here = unlessDamaged(() => store.document(gun, role, { version }))
    if (here === undefined || here.sha256 === checksums.sha256) continue
    const other = `another repository of this name is here. Ask its owner which is right; ${giveUp(gun)}`
    throw new TrustError('VERSION', `${role} version ${version} of ${gun} is already here, with different content`, {
      hint: role === 'root' ? other : undefined,
    })
  }
  const next = head.roles['root'].version + 1
  if (documents.every(({ role, version }) => role !== 'root' || version > next)) {
    const text = `root version ${next} is missing, between the one that is here and those that are offered`
    throw new TrustError('INVALID_UPDATE', text, {
      problem: { name: 'ErrBadRoot' },
      hint: `find it; ${giveUp(gun)}`,
    })
  }
}

/**
 * Throws if publishers have signed anything offered that is not here, for a repository that this server signs: it would be
 * left behind. Snapshots and timestamps do not count, which the other server may go on signing.
 *
 * @throws TrustError WRONG_STATE
 */
export function mustLeaveNothingBehind(documents: Documents, gun: Gun, offered: Offered): void {
  const left = offered.documents.find(
    (each) => each.role !== 'snapshot' && each.role !== 'timestamp' && !isReadable(documents, gun, each),
  )
  if (left === undefined) return
  const text = `${gun} is signed by this server: nothing from elsewhere can replace it, such as ${left.role} version ${left.version}`
  // A publisher whose client had no cache has begun it here, because it was not adopted yet.
  const other = left.role === 'root' && left.version === 1
  const again = `another repository of this name was begun here; ${giveUp(gun)}`
  throw new TrustError('WRONG_STATE', text, {
    hint: other ? again : 'publishers now publish to this server; what they have published elsewhere since is not here',
  })
}

function giveUp(gun: Gun): string {
  return `to give up what is here: countersign repo delete ${shellQuoted(gun)}, then adopt again`
}

function olderThanHere(gun: Gun, role: string, here: number, there: number): TrustError {
  return new TrustError('VERSION', `${role} version ${here} of ${gun} is already here, but ${there} is offered`)
}

/**
 * Warns about clients that cached a root from before a delete of the repository here, and cannot follow from it to the
 * offered ones: these end before its version, or have another root of that version.
 */
export async function lostRoots(
  { store }: Readable,
  gun: Gun,
  head: Head | undefined,
  { current, documents }: Offered,
): Promise<string[]> {
  if (head === undefined || head.roles['root'] !== undefined) return []
  const last = current.get('root')?.version ?? 0
  const offered = new Map(documents.filter(({ role }) => role === 'root').map((root) => [root.version, root.checksums]))
  const highest = head.highest['root'] ?? 0
  let lost = highest > last ? highest : 0
  try {
    for await (const entry of withoutBlocking(store.journal({ gun }))) {
      for (const { role, version, sha256 } of entry.documents) {
        if (role !== 'root' || version <= lost) continue
        if ((offered.get(version)?.sha256 ?? sha256) !== sha256) lost = version
      }
    }
  } catch (error) {
    // A damaged entry costs a warning at most: no reason to refuse the offer.
    damageIn(error)
  }
  return lost === 0 ? [] : [`clients that have root version ${lost} cached, which was deleted here, must forget ${gun}`]
}
