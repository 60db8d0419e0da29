import type { Actor } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { change } from './change.ts'
import { withoutStagedRoot } from './roots/staged.ts'
import { lostTags } from './tag-changes.ts'
import type { Trust } from './trust.ts'

/**
 * Removes all metadata of exactly this repository (wire spec §9), and a root that waits for signatures. Keeps its keys and
 * the highest versions ever used: timestamps and snapshots that the server makes for a later repository of the same name
 * continue above them.
 *
 * @returns false if there was nothing to remove
 * @throws TrustError as `changeWithResult` does
 */
export async function remove(trust: Trust, gun: Gun, actor: Actor): Promise<boolean> {
  return change(trust, gun, async (head) => {
    if (head === undefined || Object.keys(head.roles).length === 0) return undefined
    return {
      kind: 'delete',
      actor,
      head: { roles: {}, highest: head.highest, renewAt: null },
      records: withoutStagedRoot(trust, gun, 'discarded'),
      changes: lostTags(trust, gun, head),
    }
  })
}
