import { listKeys } from '../../admin/keys.ts'
import { TrustError } from '../../errors.ts'
import { inOrder } from '../../repository/roots/rotated-roles.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { BASE_ROLES, type BaseRole } from '../../tuf/role.ts'
import type { Connection } from '../connection/connection.ts'

/** Stands for the roles whose keys the server holds, as in Notary's clients; which they are differs by repository. */
export const SERVER_MANAGED = 'server-managed'

/** The roles to get new keys, as typed. */
export interface AskedRoles {
  /** In the order of `inOrder`. */
  readonly named: readonly BaseRole[]
  /** True: also all roles whose keys the server holds. */
  readonly serverManaged: boolean
}

/** @throws TrustError INVALID_ROLE */
export function askedRoles(names: readonly string[]): AskedRoles {
  const named = names.filter((name) => name !== SERVER_MANAGED)
  return { named: inOrder(named.map(roleOf)), serverManaged: named.length < names.length }
}

/**
 * Returns the roles that this means in one repository, in the order of `inOrder`.
 *
 * @throws TrustError NOT_FOUND, or WRONG_STATE if it means none
 */
export async function rolesIn(
  connection: Connection,
  gun: string,
  { named, serverManaged }: AskedRoles,
): Promise<BaseRole[]> {
  if (!serverManaged) return [...named]
  const keys = await connection.call(listKeys, { gun })
  const held = keys.filter(({ current }) => current).map(({ role }) => role)
  const roles = inOrder([...named, ...BASE_ROLES.filter((role) => held.some((each) => each === role))])
  if (roles.length > 0) return roles
  throw new TrustError('WRONG_STATE', `the server holds no key that the root of ${gun} names`, {
    hint: `"countersign repo show ${shellQuoted(gun)}" says who holds them`,
  })
}

function roleOf(name: string): BaseRole {
  const role = BASE_ROLES.find((each) => each === name)
  if (role !== undefined) return role
  throw new TrustError('INVALID_ROLE', `${name} is not a role that can be rotated`, {
    hint: `after the repository's name write one or more of ${BASE_ROLES.join(', ')}, or ${SERVER_MANAGED}`,
  })
}
