import { noSuchRepository, TrustError } from '../../errors.ts'
import type { Head, StoredKey } from '../../store/store.ts'
import { mustBeUnder, type Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { keyId, type PublicKey } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { HELD_ROLES, type HeldRole } from '../../tuf/role.ts'
import { rootPayload, type Root } from '../../tuf/root.ts'
import { currentRoot } from '../current.ts'
import { heldKeys, mustHold } from '../sign-role.ts'
import type { Trust } from '../trust.ts'

/** A payload for `stageRoot`, and the keys that were made for it. */
export interface PreparedRoot {
  readonly payload: JsonObject
  readonly keys: readonly StoredKey[]
}

/** Certificates of root keys, and how many of them must sign. */
export interface RootAuthority {
  readonly certificates: readonly PublicKey[]
  readonly threshold: number
}

/** Life of a root document, milliseconds: as Notary's clients give it. */
const ROOT_LIFE = 3650 * 86_400_000

/**
 * The first root of a repository that the server signs all by itself, but for its roots.
 *
 * @throws TrustError INVALID_GUN, WRONG_STATE
 */
export async function prepareFirstRoot(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  authority: RootAuthority,
): Promise<PreparedRoot> {
  mustBeUnder(gun, trust.policy.gunPrefixes)
  mustBeNew(gun, head)
  const { named, keys } = await nextKeys(trust, gun, HELD_ROLES, now)
  return { payload: rootPayload(1, now + ROOT_LIFE, { root: authorityKeys(authority), ...named }), keys }
}

/** @throws TrustError WRONG_STATE */
export function mustBeNew(gun: Gun, head: Head | undefined): void {
  if (head?.roles['root'] !== undefined) throw new TrustError('WRONG_STATE', `there is a repository ${gun} already`)
}

/**
 * The next root, in which some roles have new keys of the server, and root has other keys, or other certificates of the
 * same ones.
 *
 * @param authority the root keys from now on; undefined: as before
 * @throws TrustError NOT_FOUND, WRONG_STATE if a publisher signs what must be signed anew with it
 */
export async function prepareRotation(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  roles: readonly HeldRole[],
  authority?: RootAuthority,
): Promise<PreparedRoot> {
  const root = currentRoot(trust, gun, head) ?? noSuchRepository(gun)
  if (roles.includes('targets')) mustHold(trust, gun, root, 'targets', roles)
  if (!roles.includes('snapshot')) mustHold(trust, gun, root, 'snapshot')
  const all = [...new Set([...roles, ...sharedTimestamp(trust, gun, root)])]
  const { named, keys } = await nextKeys(trust, gun, all, now)
  const next = { ...root.roles, ...named, ...(authority && { root: authorityKeys(authority) }) }
  return { payload: rootPayload(root.metadata.version + 1, now + ROOT_LIFE, next), keys }
}

/** With a root goes a timestamp: where another server can sign it (`adopt`), it gets a key of this one alone. */
function sharedTimestamp(trust: Trust, gun: Gun, { roles: { timestamp } }: Root): HeldRole[] {
  return heldKeys(trust, gun, 'timestamp', timestamp).length < timestamp.keys.size ? ['timestamp'] : []
}

/**
 * A new key for each role, and what else is to be stored with them: keys that waited for a root are handed out no more.
 * Such a key may have been in other hands for as long as the one that it would replace.
 */
async function nextKeys<Role extends HeldRole>(
  trust: Trust,
  gun: Gun,
  roles: readonly Role[],
  now: number,
): Promise<{ named: Record<Role, RoleKeys>; keys: StoredKey[] }> {
  const made = await Promise.all(
    roles.map(async (role) => ({ ...(await trust.signer.create(gun, role)), role, pending: true, createdAt: now })),
  )
  const waited = roles.flatMap((role) => trust.store.keys(gun, role).filter(({ pending }) => pending))
  return {
    named: Object.fromEntries(made.map((key) => [key.role, only(key)])) as Record<Role, RoleKeys>,
    keys: [...made, ...waited.map((key) => ({ ...key, pending: false }))],
  }
}

function only({ keyId: id, keytype, public: text }: StoredKey): RoleKeys {
  return { keys: new Map([[id, { keytype, public: text }]]), threshold: 1 }
}

function authorityKeys({ certificates, threshold }: RootAuthority): RoleKeys {
  return { keys: new Map(certificates.map((certificate) => [keyId(certificate), certificate])), threshold }
}
