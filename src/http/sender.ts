import { personBehind } from '../access/identities.ts'
import { networkOf } from '../access/network.ts'
import { ANONYMOUS, nameOf, type Identity } from '../access/permission.ts'
import type { Directory } from '../access/user.ts'
import type { ClientAddresses, Sent } from './client-address.ts'

/**
 * Whose uploads count together where they share room: those of a user, by whatever of theirs they were recognised; those
 * of nobody in particular by where they come from.
 *
 * @returns undefined: it may be a proxy that asks, from whose address everybody comes
 */
export function senderOf(
  directory: Directory,
  clients: ClientAddresses,
  request: Sent,
  identity: Identity | undefined,
): string | undefined {
  if (identity !== undefined && nameOf(identity) !== ANONYMOUS.name) return personBehind(directory, identity)
  const address = clients.ofOneClient(request)
  return address === undefined ? undefined : networkOf(address)
}
