import { currentDelegations, currentRoot } from '../repository/current.ts'
import { rootCertificatesEnd } from '../repository/expiry.ts'
import { rootRenewal, type RootKeyPlaces } from '../repository/roots/renewal.ts'
import { heldRoles } from '../repository/roots/rotation-policy.ts'
import { heldKeys } from '../repository/sign-role.ts'
import { signedHere } from '../repository/signed-here.ts'
import { signerNameOf } from '../repository/signers/signers.ts'
import type { Trust } from '../repository/trust.ts'
import type { StoredKey } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { isDelegation } from '../tuf/role.ts'
import type { Targets } from '../tuf/targets.ts'

/** A repository and who holds its keys, as far as advice depends on it. */
export interface Holders {
  readonly trust: Trust
  readonly gun: Gun
  /** How its root is renewed; `here`: the command line can sign it. */
  readonly root: { readonly here: boolean; readonly command: string }
  /** Delegations of targets, once they were read. */
  delegations?: Targets['delegations'] | undefined
  /** Roles that the server signs. */
  readonly held: ReadonlySet<string>
  /** False: adopted, and still signed by another server. */
  readonly signedHere: boolean
  /** True: its root certificates have expired. */
  readonly tooLate: boolean
}

/**
 * Reads who holds the keys of a repository, but for its delegations.
 *
 * @throws TrustError, as `currentRoot` does, if it is damaged
 */
export function holdersOf(trust: Trust, gun: Gun, places: RootKeyPlaces): Holders {
  const head = trust.store.head(gun)
  const root = currentRoot(trust, gun, head)
  const end = root && rootCertificatesEnd(root.roles.root)
  const held = root === undefined ? [] : heldRoles(trust, gun, root.roles)
  return {
    trust,
    gun,
    root: rootRenewal(trust, gun, head, root, places),
    held: new Set(held.map(({ role }) => role)),
    signedHere: head === undefined || signedHere(head),
    tooLate: end !== undefined && end <= trust.now(),
  }
}

/** Returns the delegations of targets; reads them once. @throws TrustError if they are damaged */
export function delegationsIn(holders: Holders): Targets['delegations'] | undefined {
  const { trust, gun } = holders
  return (holders.delegations ??= currentDelegations(trust, gun, trust.store.head(gun), 'targets'))
}

/** How the server can sign a delegation. */
interface Signers {
  /** A signer that can sign it all by itself. */
  readonly signer?: string | undefined
  /** Keys of the server that no signer uses any more, if nobody at all can sign the delegation. */
  readonly lost?: readonly StoredKey[]
}

/** Returns how the server can sign a delegation; nothing for any other role, and for those below: signers sign none. */
export function signersFor(holders: Holders, role: string): Signers {
  if (!isDelegation(role)) return {}
  const { trust, gun } = holders
  const named = delegationsIn(holders)?.get(role)
  if (named === undefined) return {}
  const held = heldKeys(trust, gun, role, named).filter(({ owner }) => owner === SERVER)
  const names = held.flatMap(({ key }) => signerNameOf(trust, key) ?? [])
  const signer = names.find((name) => names.filter((each) => each === name).length >= named.threshold)
  const lost = held.flatMap(({ key }) => (signerNameOf(trust, key) === undefined ? [key] : []))
  return named.keys.size - lost.length < named.threshold ? { signer, lost } : { signer }
}
