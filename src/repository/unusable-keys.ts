import { damageIn, TrustError, unlessDamaged } from '../errors.ts'
import type { KeyFault, Look } from '../signing/signer.ts'
import { findRecords } from '../store/found-records.ts'
import type { StoredKey } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import { HELD_ROLES, type SignedRole } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { MISSING_KEYS, type Ending } from './expiry.ts'
import { heldKeys, type HeldKey } from './sign-role.ts'
import { signerKeys, type TagSigner } from './signers/signers.ts'
import type { Readable, Trust } from './trust.ts'

/**
 * Finds keys of a repository that the server holds and cannot use.
 *
 * @param roles with their keys, as named by the documents that delegate to them
 * @returns why, by key id
 */
export async function unusableKeys(
  trust: Readable,
  gun: Gun,
  roles: Iterable<readonly [SignedRole, RoleKeys]>,
  keyFault: KeyFault,
  look: Look,
): Promise<ReadonlyMap<string, string>> {
  /** Reasons of the keys that were looked for: a signer's key may be named by many delegations. */
  const reasons = new Map<string, string | undefined>()
  for (const [role, named] of roles) {
    const held = heldOrDamaged(trust, gun, role, named)
    if (typeof held === 'string') for (const keyId of named.keys.keys()) reasons.set(keyId, held)
    else {
      for (const { owner, key } of held) {
        if (!reasons.has(key.keyId)) reasons.set(key.keyId, await whyUnusable(keyFault, owner, key, look))
      }
    }
  }
  return new Map([...reasons].flatMap(([keyId, reason]) => (reason === undefined ? [] : [[keyId, reason]])))
}

/**
 * Returns why the server cannot use a key of its own; undefined: it can. That its token does not answer is a reason now
 * (`find`), but does not mean that the key is lost (`assume`).
 *
 * @param gun SERVER for the key of a signer
 */
export async function whyUnusable(
  keyFault: KeyFault,
  gun: Gun,
  { role, keyId, sealed }: StoredKey,
  look: Look,
): Promise<string | undefined> {
  try {
    return await keyFault({ gun, role, keyId }, sealed, look)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    return look === 'assume' ? undefined : error.message
  }
}

/**
 * Returns keys that the server holds for a repository and has lost, as one thing that ends now; none while their token does
 * not answer.
 *
 * @param roles as in root
 */
export async function missingKeys(
  { store, now }: Pick<Trust, 'store' | 'now'>,
  gun: Gun,
  roles: Root['roles'],
  keyFault: KeyFault,
): Promise<Ending[]> {
  for (const role of HELD_ROLES) {
    const [fault] = (await unusableKeys({ store }, gun, [[role, roles[role]]], keyFault, 'assume')).values()
    if (fault === undefined) continue
    return [{ gun, what: MISSING_KEYS, expires: now(), reason: `the ${role} key cannot be used: ${fault}` }]
  }
  return []
}

/** As `missingKeys`, of signers: one ending for each. Leaves out signers that cannot be read. */
export async function missingKeysOfSigners(
  { store, now }: Pick<Trust, 'store' | 'now'>,
  keyFault: KeyFault,
): Promise<Ending[]> {
  const found: Ending[] = []
  for (const signer of (await findRecords<TagSigner>(store, 'signer')).values) {
    for (const key of unlessDamaged(() => signerKeys({ store }, signer)) ?? []) {
      const fault = await whyUnusable(keyFault, SERVER, key, 'assume')
      if (fault === undefined) continue
      const reason = `the key ${key.keyId.slice(0, 12)} cannot be used: ${fault}`
      found.push({ what: `${MISSING_KEYS} of signer ${signer.name}`, expires: now(), reason })
      break
    }
  }
  return found
}

/** @returns why it is unknown which keys the server holds, if that is damaged */
function heldOrDamaged(trust: Readable, gun: Gun, role: SignedRole, named: RoleKeys): HeldKey[] | string {
  try {
    return heldKeys(trust, gun, role, named)
  } catch (error) {
    return damageIn(error).message
  }
}
