import type { BaseRole, HeldRole } from '../../tuf/role.ts'

/** The order in which people read them. */
const IN_ORDER: readonly BaseRole[] = ['root', 'timestamp', 'snapshot', 'targets']

/** Returns each role once, in a fixed order. */
export function inOrder<Role extends BaseRole>(roles: readonly Role[]): Role[] {
  return IN_ORDER.flatMap((each) => roles.find((role) => role === each) ?? [])
}

/** Returns "timestamp, snapshot and targets". @param roles the result of `inOrder` */
export function rolesText(roles: readonly BaseRole[]): string {
  // Intl.ListFormat says the same, after 10 ms.
  return [roles.slice(0, -1).join(', '), ...roles.slice(-1)].filter((part) => part !== '').join(' and ')
}

/** Returns "the timestamp key", "the keys of timestamp and snapshot". @param roles as above; empty if unknown */
export function keysText(roles: readonly BaseRole[]): string {
  if (roles.length === 0) return 'the keys'
  return roles.length === 1 ? `the ${rolesText(roles)} key` : `the keys of ${rolesText(roles)}`
}

/** Returns "a new timestamp key", "new keys of timestamp and snapshot". @param roles as above */
export function newKeysText(roles: readonly HeldRole[]): string {
  return roles.length === 1 ? `a new ${rolesText(roles)} key` : `new keys of ${rolesText(roles)}`
}
