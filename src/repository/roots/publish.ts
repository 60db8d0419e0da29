import { TrustError } from '../../errors.ts'
import type { Actor, Head } from '../../store/store.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import type { Root } from '../../tuf/root.ts'
import { NO_TARGETS } from '../../tuf/targets-edit.ts'
import { changeWithResult } from '../change.ts'
import { composeSigned } from '../compose.ts'
import { loadCurrent } from '../current.ts'
import { nextTargets, renewedTargets } from '../renewal/targets.ts'
import { signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { describeStagedRoot, rootOf, withoutStagedRoot } from './staged.ts'

/**
 * Makes the staged root current, together with what must be re-signed: targets if their key changes, snapshot and
 * timestamp. Verifies it like any upload.
 *
 * @returns the new root's version
 * @throws TrustError NOT_FOUND, WRONG_STATE while signatures are missing; what `composeSigned` throws
 */
export async function publishStagedRoot(trust: Trust, gun: Gun, actor: Actor): Promise<number> {
  return changeWithResult(trust, gun, async (head, now) => {
    const staged = describeStagedRoot(trust, gun, now)
    if (!staged.complete) {
      throw new TrustError('WRONG_STATE', `the staged root of ${gun} lacks signatures`, {
        hint: `"countersign root show ${shellQuoted(gun)}" says whose`,
      })
    }
    const root = rootOf(staged)
    const targets = await signedTargets(trust, gun, head, now, root)
    const signed = [{ metadata: root.metadata, keys: [] }, ...(targets === undefined ? [] : [targets])]
    const draft = await composeSigned(trust, gun, head, now, signed, actor)
    return [draft && { ...draft, records: withoutStagedRoot(trust, gun, 'published') }, root.metadata.version]
  })
}

/** Signs empty targets for a new repository; re-signs the current ones if root names other keys for them, or if due. */
async function signedTargets(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  root: Root,
): Promise<Signed | undefined> {
  const current = loadCurrent(trust, gun, head, 'targets')
  const named = root.roles.targets
  if (head !== undefined && current !== undefined && countSigners(current, named.keys) >= named.threshold) {
    // No client publishes over expired targets: if the server can now sign them, do it at once.
    return renewedTargets(trust, gun, head, root, now)
  }
  return signRole(trust, gun, 'targets', named, nextTargets(current?.signed ?? NO_TARGETS, now))
}
