import { personBehind } from '../access/identities.ts'
import { networkOf } from '../access/network.ts'
import { ANONYMOUS, nameOf } from '../access/permission.ts'
import type { Context, Wiring } from './state.ts'

/**
 * Returns whose uploads share a limit: a user's, however they were recognised; for anonymous clients, their network's.
 *
 * @returns undefined: it may be a proxy's address, which all clients share
 */
export function senderOf({ state: { identity }, req }: Context, { trust, clients }: Wiring): string | undefined {
  if (identity !== undefined && nameOf(identity) !== ANONYMOUS.name) return personBehind(trust.store, identity)
  const address = clients.ofOneClient(req)
  return address === undefined ? undefined : networkOf(address)
}
