import { TrustError } from '../errors.ts'
import type { NewKey } from '../signing/signer.ts'
import type { Actor, Head, StoredKey } from '../store/store.ts'
import { mustBeUnder, SERVER, type Gun } from '../tuf/gun.ts'
import { canonicalKeyId, keyId } from '../tuf/keys/key.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import type { SignedRole } from '../tuf/role.ts'
import { changeAndTell } from './change.ts'
import { namedKeys } from './current.ts'
import { targetsAreDue } from './renewal/targets.ts'
import { heldKeys } from './sign-role.ts'
import { signedHere } from './signed-here.ts'
import type { Readable, Trust } from './trust.ts'

/** What became of a key that was made elsewhere. */
export interface Imported {
  readonly keyId: string
  /** False if this repository's role had the key already. */
  readonly changed: boolean
  /**
   * How the current metadata names it for this role: `key`: the server signs with it from now on, but in delegations,
   * where it signs with the keys of its signers only; `certificate`: only inside a certificate, under another id, so it
   * cannot; `none`: it waits for metadata that names it.
   */
  readonly named: 'key' | 'certificate' | 'none'
}

/**
 * Take a sealed key that was made elsewhere for a role of a repository. It is never handed out as a new key (wire spec
 * §7): also one that was pending there has left traces elsewhere. A root that names it is signed for all the same.
 *
 * @throws TrustError INVALID_GUN, WRONG_STATE if the key belongs to another repository or role, INVALID_PARAMETERS, CORRUPT
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
  return changeAndTell(trust, gun, async (head, now) => {
    // Of two imports at once for two repositories both may find it free: the store takes one of them.
    const owner = trust.store.keyOwner(key.keyId)
    if (owner !== undefined && (owner.gun !== gun || owner.role !== role)) {
      const whose = owner.gun === SERVER ? 'the server' : owner.gun
      throw new TrustError('WRONG_STATE', `the key ${key.keyId} is here already, as ${owner.role} key of ${whose}`)
    }
    // Before the commit: where that cannot be read, the key is not kept.
    const keys = namedKeys(trust, gun, role)
    const told = { keyId: key.keyId, changed: owner === undefined, named: howNamed(keys, key.keyId) }
    if (owner !== undefined) return [undefined, told]
    const stored: StoredKey = { ...key, role, pending: false, createdAt: now }
    const isDue =
      head !== undefined && keys?.keys.has(key.keyId) === true && makesDue(trust, gun, head, role, keys, now)
    const { roles = {}, highest = {} } = head ?? {}
    return [{ kind: 'key', actor, keys: [stored], ...(isDue ? { head: { roles, highest, renewAt: now } } : {}) }, told]
  })
}

/** True if one more of a role's keys lets the server sign something that must not wait. @param named the role's keys */
function makesDue(trust: Readable, gun: Gun, head: Head, role: SignedRole, named: RoleKeys, now: number): boolean {
  // Of an adopted repository it signs the timestamps from then on.
  if (!signedHere(head)) return role === 'timestamp' && heldKeys(trust, gun, role, named).length + 1 >= named.threshold
  // The snapshot that was adopted may name what did not come along.
  if (role === 'snapshot') return true
  // Of targets that have ended no client can sign others.
  return role === 'targets' && targetsAreDue(head.roles['targets']?.expires ?? Infinity, now)
}

function howNamed(named: RoleKeys | undefined, id: string): Imported['named'] {
  const keys = [...(named?.keys ?? [])]
  if (keys.some(([each]) => each === id)) return 'key'
  return keys.some(([, key]) => canonicalKeyId(key) === id) ? 'certificate' : 'none'
}
