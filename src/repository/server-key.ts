import type { Actor, StoredKey } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { PublicKey } from '../tuf/keys/key.ts'
import type { ServerRole } from '../tuf/role.ts'
import { storedRoot } from '../tuf/root.ts'
import { changeWithResult } from './change.ts'
import { recallCurrent } from './current.ts'
import { heldKeys } from './sign-role.ts'
import type { Trust } from './trust.ts'

/**
 * Returns the key with which the server signs a role: the one that root names or, before the first publish and if a client
 * holds the role's key, the pending one (wire spec §7, GET).
 *
 * @throws TrustError as `rotateKey` does
 */
export async function currentKey(trust: Trust, gun: Gun, role: ServerRole, actor: Actor): Promise<PublicKey> {
  const head = trust.store.head(gun)
  const root = recallCurrent(trust, gun, head, 'root')
  const [held] = root === undefined ? [] : heldKeys(trust, gun, role, storedRoot(root).roles[role])
  return held === undefined ? rotateKey(trust, gun, role, actor) : publicPart(held.key)
}

/**
 * Returns the key that the next root should name (wire spec §7, POST): the pending one, or a new one if there is none.
 * Returns the same key until a root that names it is published; the call itself rotates nothing.
 *
 * @throws TrustError SIGNING_FAILED, SIGNER_UNAVAILABLE; what `changeWithResult` throws
 */
export async function rotateKey(trust: Trust, gun: Gun, role: ServerRole, actor: Actor): Promise<PublicKey> {
  const waiting = pendingKey(trust, gun, role)
  if (waiting !== undefined) return publicPart(waiting)
  const key = await changeWithResult<StoredKey>(trust, gun, async (_, now) => {
    const pending = pendingKey(trust, gun, role)
    if (pending !== undefined) return [undefined, pending]
    const made = { ...(await trust.signer.create(gun, role)), role, pending: true, createdAt: now }
    return [{ kind: 'key', actor, keys: [made] }, made]
  })
  return publicPart(key)
}

/** Finds an unused key of the kind and in the place of keys made now; the one with the lowest id if there are two. */
function pendingKey(trust: Trust, gun: Gun, role: ServerRole): StoredKey | undefined {
  const pending = trust.store.keys(gun, role).filter((key) => key.pending && trust.signer.makes(gun, role, key))
  return pending.toSorted((one, other) => (one.keyId < other.keyId ? -1 : 1))[0]
}

function publicPart({ keytype, public: text }: StoredKey): PublicKey {
  return { keytype, public: text }
}
