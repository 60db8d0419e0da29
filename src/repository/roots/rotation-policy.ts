import { TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import { HELD_ROLES, type HeldRole } from '../../tuf/role.ts'
import { isAlive, type Root } from '../../tuf/root.ts'
import { allGuns } from '../all-guns.ts'
import { SERVER_ACTOR } from '../change.ts'
import { currentRoot } from '../current.ts'
import { heldKeys } from '../sign-role.ts'
import type { Readable, Trust } from '../trust.ts'
import { prepareRotation } from './prepare.ts'
import { inOrder, newKeysText } from './rotated-roles.ts'
import { stageRoot } from './stage.ts'
import { stagedRoot } from './staged.ts'

/** A role that the server signs, and the age of its keys. */
interface HeldRoleAge {
  readonly role: HeldRole
  /** When the oldest of its keys was made, milliseconds since 1970. */
  readonly since: number
}

/** Returns the roles of a repository that the server can sign, with the age of their keys. @param roles as in root */
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
 * Applies the rotation policy: for each repository in which keys of the server have reached an age, stages the next root
 * with new keys for all of these; signing it needs a root key, which the server cannot open. Skips repositories that have a
 * staged root already, whoever staged it, and those whose root certificates have expired. Logs repositories that fail, tries
 * them again next time, and goes on with the others, but ends the round if the store is unavailable.
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
        // All others would fail, too.
        if (error instanceof TrustError && error.code === 'STORE_UNAVAILABLE') break
      }
    }
  } catch (error) {
    // The list of names is damaged: report what was staged so far, and let the look for what expires go on.
    counts.failed += 1
    trust.log.error({ err: error }, 'the next root could not be made')
  }
  if (counts.staged > 0 || counts.failed > 0) trust.log.info({ ...counts }, 'staged roots for keys that are old')
  return counts
}

/** Stages a root if needed. @param oldest replace keys made at or before this time, milliseconds since 1970 */
async function stageOne(trust: Trust, gun: Gun, oldest: number): Promise<boolean> {
  const head = trust.store.head(gun)
  if (head === undefined || stagedRoot(trust, gun) !== undefined) return false
  const root = currentRoot(trust, gun, head)
  const held = root === undefined ? [] : heldRoles(trust, gun, root.roles)
  const aged = held.filter(({ since }) => since <= oldest).map(({ role }) => role)
  // A new root changes the snapshot: if the publisher signs that, only the publisher can rotate anything.
  if (root === undefined || aged.length === 0 || held.every(({ role }) => role !== 'snapshot')) return false
  // No client would accept the next root: people are told that its certificates have ended.
  if (!isAlive(root, gun, trust.now())) return false
  const reason = `by age: ${newKeysText(inOrder(aged))}`
  await stageRoot(trust, gun, SERVER_ACTOR, reason, (current, now) => prepareRotation(trust, gun, current, now, aged))
  return true
}
