import { TrustError } from '../errors.ts'
import type { Head, StoredKey } from '../store/store.ts'
import { SERVER, shellQuoted, type Gun } from '../tuf/gun.ts'
import type { JsonObject } from '../tuf/json/json.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import { makeMetadata } from '../tuf/made-metadata.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isDelegation, type SignedRole } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { signedHere, takeOverCommand } from './signed-here.ts'
import type { Readable, Trust } from './trust.ts'

/** A key that the server holds, and its owner: a repository or, for a signer that signs in many, the server. */
export interface HeldKey {
  readonly owner: Gun
  readonly key: StoredKey
}

/** A document that the server made, and the repository's keys that are no longer pending because they signed it. */
export interface Signed {
  readonly metadata: Metadata
  readonly keys: readonly StoredKey[]
}

/**
 * Returns the keys of a role that the server holds for exactly this repository and role and, for a delegation, those of
 * signers, which belong to the server.
 *
 * @param named the role's keys, as named by the document that delegates to it
 * @param head of the repository, just read
 */
export function heldKeys(trust: Readable, gun: Gun, role: SignedRole, named: RoleKeys, head?: Head): HeldKey[] {
  return [...named.keys.keys()].flatMap((keyId): HeldKey[] => {
    const owner = trust.store.keyOwner(keyId)
    if (owner === undefined) return []
    const own = owner.gun === gun && owner.role === role
    const signers = owner.gun === SERVER && isDelegation(owner.role) && isDelegation(role)
    if (!own && !signers) return []
    const key = trust.store.keys(owner.gun, owner.role, own ? head : undefined).find((each) => each.keyId === keyId)
    return key === undefined ? [] : [{ owner: owner.gun, key }]
  })
}

/** True if the server holds enough keys for the role's threshold. @param named as for `heldKeys` */
export function holdsRole(trust: Readable, gun: Gun, role: SignedRole, named: RoleKeys): boolean {
  return heldKeys(trust, gun, role, named).length >= named.threshold
}

/**
 * Throws unless the server holds the snapshot key of a repository: a change of root or targets changes the snapshot too, so
 * only the holder of its key can publish it.
 *
 * @throws TrustError WRONG_STATE
 */
export function mustHoldSnapshotKey(trust: Trust, gun: Gun, root: Root): void {
  if (holdsRole(trust, gun, 'snapshot', root.roles.snapshot)) return
  const head = trust.store.head(gun)
  if (head === undefined || signedHere(head)) {
    throw isWithPublisher(
      gun,
      'snapshot',
      `its owner can hand it over: notary key rotate ${shellQuoted(gun)} snapshot -r`,
    )
  }
  throw new TrustError('WRONG_STATE', `the snapshot key of ${gun} is with the server that it was adopted from`, {
    hint: `${takeOverCommand(gun)}: with new keys of this server for snapshot and timestamp`,
  })
}

/** Returns the error for a key that only the publisher has. */
export function isWithPublisher(gun: Gun, role: 'targets' | 'snapshot', hint: string): TrustError {
  return new TrustError('WRONG_STATE', `the ${role} key of ${gun} is with its publisher, not with the server`, { hint })
}

/**
 * Signs a payload with every key of the role that the server holds (wire spec §6.6, §6.7).
 *
 * @param named the role's keys, as named by the document that delegates to it
 * @param held the keys to sign with; defaults to all that the server holds
 * @throws TrustError SIGNING_FAILED if there are fewer keys than the role's threshold, or one does not open;
 *   SIGNER_UNAVAILABLE; INVALID_UPDATE if the document would be over the limits of our own parser
 */
export async function signRole(
  trust: Trust,
  gun: Gun,
  role: SignedRole,
  named: RoleKeys,
  payload: JsonObject,
  held: readonly HeldKey[] = heldKeys(trust, gun, role, named),
): Promise<Signed> {
  if (held.length < named.threshold) {
    throw new TrustError('SIGNING_FAILED', `the server holds ${held.length} of the ${role} keys of ${gun}, too few`)
  }
  const unsigned = makeMetadata(role, payload)
  const signatures = await Promise.all(
    held.map(async ({ owner, key: { role: keyRole, keyId, sealed } }) => {
      const { method, sig } = await trust.signer.sign({ gun: owner, role: keyRole, keyId }, sealed, unsigned.message)
      return { keyid: keyId, method, sig: Buffer.from(sig).toString('base64') }
    }),
  )
  const used = held.filter(({ owner, key }) => owner === gun && key.pending)
  return {
    metadata: await unsigned.complete(signatures),
    keys: used.map(({ key }) => ({ ...key, pending: false })),
  }
}
