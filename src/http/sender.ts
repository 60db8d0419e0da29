import { personBehind } from '../access/identities.ts'
import { networkOf } from '../access/network.ts'
import { ANONYMOUS, nameOf, type Identity } from '../access/permission.ts'
import type { Directory } from '../access/user.ts'
import type { ClientAddresses, Sent } from './client-address.ts'

/**
 * Returns whose uploads share a limit: a user's, however they were recognised; for anonymous clients, their network's.
 *
 * @returns undefined: it may be a proxy's address, which all clients share
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
