import { TrustError } from '../errors.ts'

/** The four base roles of a repository. */
export type BaseRole = 'root' | 'targets' | 'snapshot' | 'timestamp'
/** A role whose metadata lists targets below `targets`: `targets/releases`, `targets/team/alice`. */
export type DelegationRole = `targets/${string}`
export type Role = BaseRole | DelegationRole
/** A role whose metadata is of type Targets. */
export type TargetsRole = 'targets' | DelegationRole
/** A role that the server can sign by itself. Root keys are sealed under passphrases that it does not have. */
export type SignedRole = Exclude<Role, 'root'>
/** A base role that the server can sign by itself. */
export type HeldRole = (typeof HELD_ROLES)[number]
/** A role whose documents the server makes of its own accord, and whose key clients request from it (wire spec §7). */
export type ServerRole = 'snapshot' | 'timestamp'

/** The delegation in which docker looks for tags before it looks in targets; every docker signer also signs here. */
export const RELEASES = 'targets/releases'

export const HELD_ROLES = ['targets', 'snapshot', 'timestamp'] as const satisfies readonly BaseRole[]
export const BASE_ROLES: readonly BaseRole[] = ['root', 'snapshot', 'targets', 'timestamp']

/** Bytes; Notary's own limit for a role name (wire spec §5.1). */
const ROLE_MAX_BYTES = 255
/** Path segments of a delegation role below `targets`. Our own limit: it bounds the walk from a role to its ancestors. */
const ROLE_MAX_DEPTH = 32

const DELEGATION = /^targets(?:\/[-a-z0-9_]+)+$/
/** What separates repository and role in a path, where it occurs last (wire spec §2). */
const SEPARATOR = '/_trust/tuf/'

/**
 * True for a well-formed delegation role name, `targets/…`. Takes time linear in its length. A name with the separator
 * of paths is none: its path would be that of another repository's role, and no client could read what names it.
 */
export function isDelegation(name: string): name is DelegationRole {
  const wellFormed = name.length <= ROLE_MAX_BYTES && DELEGATION.test(name) && !name.includes(SEPARATOR)
  return wellFormed && name.split('/').length <= ROLE_MAX_DEPTH + 1
}

/** True for any role name that an upload may carry. */
export function isRole(name: string): name is Role {
  return (BASE_ROLES as readonly string[]).includes(name) || isDelegation(name)
}

/** True for the two roles whose documents the server makes, unless owners sign the snapshot themselves. */
export function isServerRole(name: string): name is ServerRole {
  return name === 'timestamp' || name === 'snapshot'
}

/** Validates the name of a role. @throws TrustError INVALID_ROLE */
export function parseRole(name: string): Role {
  if (isRole(name)) return name
  throw new TrustError('INVALID_ROLE', `"${name.slice(0, 80)}" is not a role`)
}

/** True for targets and for every delegation. */
export function isTargetsRole(role: Role): role is TargetsRole {
  return role === 'targets' || isDelegation(role)
}

/** Returns the role that delegates to this one: `targets/a/b` → `targets/a`. */
export function parentOf(role: DelegationRole): TargetsRole {
  return role.slice(0, role.lastIndexOf('/')) as TargetsRole
}

/** Returns the problem that Notary's clients print when a document of this role is refused. */
export function problemOf(role: Role): 'ErrBadRoot' | 'ErrBadTargets' | 'ErrBadSnapshot' {
  if (role === 'snapshot') return 'ErrBadSnapshot'
  return isTargetsRole(role) ? 'ErrBadTargets' : 'ErrBadRoot'
}
