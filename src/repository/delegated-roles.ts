import { damageIn } from '../errors.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { parentOf, type DelegationRole, type TargetsRole } from '../tuf/role.ts'
import type { Targets } from '../tuf/targets.ts'
import { currentDelegations } from './current.ts'
import type { Readable } from './trust.ts'

type Read = Targets['delegations'] | 'unreadable' | undefined

/**
 * Returns a test whether a role is still delegated, by every role above it up to targets. Server-made snapshots go on
 * naming removed roles, which clients no longer read. Reads each delegating role once; true if one cannot be read.
 */
export function delegatedIn(trust: Readable, gun: Gun, head: Head): (role: DelegationRole) => boolean {
  const known = new Map<TargetsRole, Read>()
  const read = (role: TargetsRole): Read => {
    if (!known.has(role)) known.set(role, readFrom(trust, gun, head, role))
    return known.get(role)
  }
  return function isDelegated(role): boolean {
    const parent = parentOf(role)
    const delegations = read(parent)
    if (delegations === 'unreadable') return true
    return delegations?.has(role) === true && (parent === 'targets' || isDelegated(parent))
  }
}

function readFrom(trust: Readable, gun: Gun, head: Head, role: TargetsRole): Read {
  try {
    return currentDelegations(trust, gun, head, role)
  } catch (error) {
    damageIn(error)
    return 'unreadable'
  }
}
