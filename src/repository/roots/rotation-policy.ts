import { TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import { HELD_ROLES, type HeldRole } from '../../tuf/role.ts'
import type { Root } from '../../tuf/root.ts'
import { allGuns } from '../all-guns.ts'
import { SERVER_ACTOR } from '../change.ts'
import { currentRoot } from '../current.ts'
import { heldKeys } from '../sign-role.ts'
import type { Readable, Trust } from '../trust.ts'
import { prepareRotation } from './prepare.ts'
import { inOrder, newKeysText } from './rotated-roles.ts'
import { stageRoot } from './stage.ts'
import { stagedRoot } from './staged.ts'

/** A role that the server signs. */
interface HeldRoleAge {
  readonly role: HeldRole
  /** When the oldest of its keys was made, milliseconds since 1970. */
  readonly since: number
}

/** The roles of a repository that the server can sign, and how old their keys are. @param roles as root names them */
export function heldRoles(trust: Readable, gun: Gun, roles: Root['roles']): HeldRoleAge[] {
  return HELD_ROLES.flatMap((role) => {
    const held = heldKeys(trust, gun, role, roles[role])
    if (held.length < roles[role].threshold) return []
    return [{ role, since: Math.min(...held.map(({ key }) => key.createdAt)) }]
  })
}

interface PolicyCounts {
  staged: number
  failed: number
}

/**
 * The rotation policy: where keys of the server have reached an age, the next root is made, with new keys for all of
 * them, and waits for its signatures; a root key is needed for those, which the server cannot open. Where a root waits
 * already, whoever staged it, nothing is done. A repository that fails is logged, tried again the next time, and does
 * not hold up the others; a store that takes nothing ends the round.
 *
 * @param age milliseconds
 */
export async function stageAgedKeys(trust: Trust, age: number): Promise<PolicyCounts> {
  const counts = { staged: 0, failed: 0 }
  try {
    for await (const gun of allGuns(trust.store)) {
      try {
        if (await stageOne(trust, gun, trust.now() - age)) counts.staged += 1
      } catch (error) {
        counts.failed += 1
        trust.log.error({ gun, err: error }, 'the next root could not be made')
        // All the others would meet it too.
        if (error instanceof TrustError && error.code === 'STORE_UNAVAILABLE') break
      }
    }
  } catch (error) {
    // Their names: what was made until then is told, and whoever looks at what ends goes on.
    counts.failed += 1
    trust.log.error({ err: error }, 'the next root could not be made')
  }
  if (counts.staged > 0 || counts.failed > 0) trust.log.info({ ...counts }, 'staged roots for keys that are old')
  return counts
}

/** @param oldest keys made at this time or before are to be replaced, milliseconds since 1970 */
async function stageOne(trust: Trust, gun: Gun, oldest: number): Promise<boolean> {
  const head = trust.store.head(gun)
  if (head === undefined || stagedRoot(trust, gun) !== undefined) return false
  const root = currentRoot(trust, gun, head)
  const held = root === undefined ? [] : heldRoles(trust, gun, root.roles)
  const aged = held.filter(({ since }) => since <= oldest).map(({ role }) => role)
  // A new root changes the snapshot: where its publisher signs that, only its publisher can rotate anything.
  if (aged.length === 0 || held.every(({ role }) => role !== 'snapshot')) return false
  const reason = `by age: ${newKeysText(inOrder(aged))}`
  await stageRoot(trust, gun, SERVER_ACTOR, reason, (current, now) => prepareRotation(trust, gun, current, now, aged))
  return true
}
