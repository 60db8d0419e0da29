import { TrustError } from '../../errors.ts'
import type { Head, StoredKey } from '../../store/store.ts'
import { SERVER, shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { namesUnder } from '../../tuf/paths.ts'
import { RELEASES, type TargetsRole } from '../../tuf/role.ts'
import { storedRoot, type Root } from '../../tuf/root.ts'
import { parseTargets, type Delegation } from '../../tuf/targets.ts'
import { recallCurrent } from '../current.ts'
import { noSuchRepository } from '../no-such-repository.ts'
import { heldKeys, holdsRole, isWithPublisher, mustHoldSnapshotKey, type HeldKey } from '../sign-role.ts'
import { notSignedHere, signedHere } from '../signed-here.ts'
import type { Trust } from '../trust.ts'
import { findSigner, signerKeys, signerRole } from './signers.ts'

/** The most delegations signed at once, each a document with all tags; docker makes two. */
const SIGNINGS_MAX = 8

/** A role to sign in, with its keys as named by its parent, and those with which the server signs. */
export interface Signing {
  readonly role: TargetsRole
  readonly named: RoleKeys
  readonly held: readonly HeldKey[]
  /** All keys of the signer, including those that the parent no longer names. */
  readonly own?: readonly StoredKey[]
}

/**
 * Returns the roles in which the server signs tags.
 *
 * @param signer undefined for the targets role of a repository that the server signs
 * @param names tags that the roles must be allowed to sign
 * @returns at least one; a signer's own role comes first, since If-Match compares its checksum
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not hold the keys needed
 */
export function signingRoles(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  signer: string | undefined,
  names: readonly string[],
): Signing[] {
  if (signer !== undefined) return delegationsOf(trust, gun, head, signer, names)
  const asSigner = 'sign as a signer that its owner has added: --as NAME (countersign signer create NAME)'
  return [targetsSigning(trust, gun, head, asSigner)]
}

/**
 * Returns the targets role of a repository that the server signs.
 *
 * @param otherwise hint for a repository whose owner signs targets
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not hold the keys needed
 */
export function targetsSigning(trust: Trust, gun: Gun, head: Head | undefined, otherwise: string): Signing {
  const { targets } = rootSignedHere(trust, gun, head).roles
  const held = heldKeys(trust, gun, 'targets', targets)
  if (held.length >= targets.threshold) return { role: 'targets', named: targets, held }
  throw isWithPublisher(gun, 'targets', otherwise)
}

/**
 * Returns the role of a signer whose checksum `ifMatch` is compared with: its own, unless the owner lets it sign only
 * elsewhere, such as in `targets/releases`.
 *
 * @throws TrustError INVALID_PARAMETERS if it is not a valid name of a signer
 */
export function firstRoleOf(trust: Trust, gun: Gun, signer: string): TargetsRole {
  const own = signerRole(signer)
  try {
    return signingRoles(trust, gun, trust.store.head(gun), signer, [])[0]?.role ?? own
  } catch (error) {
    // It cannot sign anything now, or is a person: the tags that it has signed can be listed anyway.
    if (error instanceof TrustError) return own
    throw error
  }
}

/** Returns the root of a repository, if the server can make the snapshot and timestamp that new targets need. */
function rootSignedHere(trust: Trust, gun: Gun, head: Head | undefined): Root {
  const metadata = recallCurrent(trust, gun, head, 'root')
  if (head === undefined || metadata === undefined) {
    return noSuchRepository(gun, `"countersign repo create ${shellQuoted(gun)}" makes one that the server signs`)
  }
  if (!signedHere(head)) throw new TrustError('WRONG_STATE', notSignedHere(gun))
  const root = storedRoot(metadata)
  mustHoldSnapshotKey(trust, gun, root)
  return root
}

function delegationsOf(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  signer: string,
  names: readonly string[],
): Signing[] {
  const root = rootSignedHere(trust, gun, head)
  const keys = signerKeys(trust, findSigner(trust, signer))
  const targets = recallCurrent(trust, gun, head, 'targets')
  const delegations = targets === undefined ? [] : [...parseTargets(targets).delegations.values()]
  const own = delegations.flatMap((named) => {
    const held = keys.filter(({ keyId }) => named.keys.has(keyId)).map((key) => ({ owner: SERVER, key }))
    return held.length === 0 ? [] : [{ role: named.name, named, held, own: keys }]
  })
  if (own.length === 0) {
    throw new TrustError('WRONG_STATE', `${gun} does not let ${signer} sign this`, {
      hint: holdsRole(trust, gun, 'targets', root.roles.targets)
        ? `add it: countersign delegation add ${shellQuoted(gun)} ${signer}`
        : `its owner adds it: docker trust signer add --key ${signer}.pem ${signer} ${shellQuoted(gun)}`,
    })
  }
  const alone = own.filter(({ held, named }) => held.length >= named.threshold)
  if (alone.length === 0) {
    throw new TrustError('WRONG_STATE', `${gun} needs signatures from more keys than those of ${signer}`, {
      hint: 'its owner lowers the threshold of the delegation to 1, as docker makes it',
    })
  }
  return withPathsFor(names, alone, gun, signer)
}

/**
 * Returns the delegations that may sign all these names, the signer's own first.
 *
 * @throws TrustError WRONG_STATE if there is none, or too many
 */
function withPathsFor(
  names: readonly string[],
  delegations: readonly (Signing & { readonly named: Delegation })[],
  gun: Gun,
  signer: string,
): Signing[] {
  const own = signerRole(signer)
  const fitting = delegations.map((each) => ({ each, fits: namesUnder(each.named.paths) }))
  const signing = fitting.filter(({ fits }) => names.every(fits)).map(({ each }) => each)
  if (signing.length === 0) {
    const beyond = names.find((name) => !fitting.some(({ fits }) => fits(name))) ?? names.join(', ')
    throw new TrustError('WRONG_STATE', `the paths that ${gun} lets ${signer} sign do not include ${beyond}`, {
      hint: `its owner widens them: notary delegation add -p ${shellQuoted(gun)} ${own} --all-paths`,
    })
  }
  if (signing.length > SIGNINGS_MAX) {
    throw new TrustError('WRONG_STATE', `${gun} lets ${signer} sign this in more than ${SIGNINGS_MAX} delegations`, {
      hint: `its owner leaves ${signer} in ${own} and ${RELEASES}, as docker makes them`,
    })
  }
  return signing.toSorted((one, other) => Number(other.role === own) - Number(one.role === own))
}
