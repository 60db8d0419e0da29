import { TrustError } from '../errors.ts'
import type { NewKey } from '../signing/signer.ts'
import type { Actor, Head, StoredKey } from '../store/store.ts'
import { mustBeUnder, SERVER, type Gun } from '../tuf/gun.ts'
import { canonicalKeyId, keyId } from '../tuf/keys/key.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import type { SignedRole } from '../tuf/role.ts'
import { changeWithResult } from './change.ts'
import { namedKeys } from './current.ts'
import { targetsAreDue } from './renewal/targets.ts'
import { heldKeys } from './sign-role.ts'
import { signedHere } from './signed-here.ts'
import type { Readable, Trust } from './trust.ts'

/** The result of importing a key that was made elsewhere. */
export interface Imported {
  readonly keyId: string
  /** False if this repository's role had the key already. */
  readonly changed: boolean
  /**
   * How the current metadata names it for this role. `key`: the server signs with it from now on, except in delegations,
   * where it signs only with its signers' keys; `certificate`: only inside a certificate, under another id, so that the
   * server cannot sign with it; `none`: not yet.
   */
  readonly named: 'key' | 'certificate' | 'none'
}

/**
 * Imports a sealed key that was made elsewhere for a role of a repository. It is never handed out as a new key (wire spec
 * §7), since others may have had it, but the server signs with it once a root names it.
 *
 * @throws TrustError INVALID_GUN; WRONG_STATE if the key belongs to another repository or role; INVALID_PARAMETERS; CORRUPT
 *   if the metadata that may name it is damaged
 */
export async function importKey(
  trust: Trust,
  gun: Gun,
  role: SignedRole,
  key: NewKey,
  actor: Actor,
): Promise<Imported> {
  mustBeUnder(gun, trust.policy.gunPrefixes)
  if (keyId(key) !== key.keyId) throw new TrustError('INVALID_PARAMETERS', 'the key id is not that of the public key')
  return changeWithResult(trust, gun, async (head, now) => {
    // Two simultaneous imports for two repositories may both pass this check: the store accepts only one of them.
    const owner = trust.store.keyOwner(key.keyId)
    if (owner !== undefined && (owner.gun !== gun || owner.role !== role)) {
      const whose = owner.gun === SERVER ? 'the server' : owner.gun
      throw new TrustError('WRONG_STATE', `the key ${key.keyId} is already here, as the ${owner.role} key of ${whose}`)
    }
    // Read before the commit: if the metadata cannot be read, the key is not stored.
    const keys = namedKeys(trust, gun, role)
    const result = { keyId: key.keyId, changed: owner === undefined, named: howNamed(keys, key.keyId) }
    if (owner !== undefined) return [undefined, result]
    const stored: StoredKey = { ...key, role, pending: false, createdAt: now }
    const isDue =
      head !== undefined && keys?.keys.has(key.keyId) === true && makesRenewalDue(trust, gun, head, role, keys, now)
    const { roles = {}, highest = {} } = head ?? {}
    return [
      { kind: 'key', actor, keys: [stored], ...(isDue ? { head: { roles, highest, renewAt: now } } : {}) },
      result,
    ]
  })
}

/** True if this further key of a role lets the server sign something that must not wait. @param named the role's keys */
function makesRenewalDue(
  trust: Readable,
  gun: Gun,
  head: Head,
  role: SignedRole,
  named: RoleKeys,
  now: number,
): boolean {
  // From now on it signs the timestamps of an adopted repository.
  if (!signedHere(head)) return role === 'timestamp' && heldKeys(trust, gun, role, named).length + 1 >= named.threshold
  // The adopted snapshot may name documents that were not adopted.
  if (role === 'snapshot') return true
  // No client publishes over expired targets.
  return role === 'targets' && targetsAreDue(head.roles['targets']?.expires ?? Infinity, now)
}

function howNamed(named: RoleKeys | undefined, id: string): Imported['named'] {
  const keys = [...(named?.keys ?? [])]
  if (keys.some(([each]) => each === id)) return 'key'
  return keys.some(([, key]) => canonicalKeyId(key) === id) ? 'certificate' : 'none'
}
