import { unlessDamaged } from '../errors.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { parentOf, type DelegationRole, type TargetsRole } from '../tuf/role.ts'
import type { Targets } from '../tuf/targets.ts'
import { currentDelegations } from './current.ts'
import type { Readable } from './trust.ts'

const NONE: Targets['delegations'] = new Map()

/**
 * Returns a test whether a role is still delegated, by every role above it up to targets. Server-made snapshots go on
 * naming removed roles, which clients no longer read. Reads each delegating role once; true if one cannot be read.
 */
export function delegatedIn(trust: Readable, gun: Gun, head: Head): (role: DelegationRole) => boolean {
  const known = new Map<TargetsRole, Targets['delegations'] | undefined>()
  /** Returns undefined if the role cannot be read. */
  const read = (role: TargetsRole): Targets['delegations'] | undefined => {
    if (known.has(role)) return known.get(role)
    const delegations = unlessDamaged(() => currentDelegations(trust, gun, head, role) ?? NONE)
    known.set(role, delegations)
    return delegations
  }
  return function isDelegated(role): boolean {
    const parent = parentOf(role)
    const delegations = read(parent)
    if (delegations === undefined) return true
    return delegations.has(role) && (parent === 'targets' || isDelegated(parent))
  }
}
