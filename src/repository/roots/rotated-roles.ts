import type { BaseRole, HeldRole } from '../../tuf/role.ts'

/** As people read them: what is stolen first stands first. */
const IN_ORDER: readonly BaseRole[] = ['root', 'timestamp', 'snapshot', 'targets']

/** Each once, in one order, whatever was said. */
export function inOrder<Role extends BaseRole>(roles: readonly Role[]): Role[] {
  return IN_ORDER.flatMap((each) => roles.find((role) => role === each) ?? [])
}

/** "timestamp, snapshot and targets" @param roles as `inOrder` gives them */
export function rolesText(roles: readonly BaseRole[]): string {
  // Intl.ListFormat says the same, after 10 ms.
  return [roles.slice(0, -1).join(', '), ...roles.slice(-1)].filter((part) => part !== '').join(' and ')
}

/** "the timestamp key", "the keys of timestamp and snapshot" @param roles the same; none: it is not known which */
export function keysText(roles: readonly BaseRole[]): string {
  if (roles.length === 0) return 'the keys'
  return roles.length === 1 ? `the ${rolesText(roles)} key` : `the keys of ${rolesText(roles)}`
}

/** "a new timestamp key", "new keys of timestamp and snapshot" @param roles the same */
export function newKeysText(roles: readonly HeldRole[]): string {
  return roles.length === 1 ? `a new ${rolesText(roles)} key` : `new keys of ${rolesText(roles)}`
}
