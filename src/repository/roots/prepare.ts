import { TrustError } from '../../errors.ts'
import type { Head, StoredKey } from '../../store/store.ts'
import { mustBeUnder, shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { keyId, type PublicKey } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { HELD_ROLES, type HeldRole } from '../../tuf/role.ts'
import { aliveFrom, isAlive, rootPayload, type Root } from '../../tuf/root.ts'
import { currentRoot } from '../current.ts'
import { noSuchRepository } from '../no-such-repository.ts'
import { heldKeys, holdsRole, isWithPublisher, mustHoldSnapshotKey } from '../sign-role.ts'
import type { Trust } from '../trust.ts'

/** A payload for `stageRoot`, and the keys made for it. */
export interface PreparedRoot {
  readonly payload: JsonObject
  readonly keys: readonly StoredKey[]
}

/** Certificates of root keys, and how many of them must sign. */
export interface RootAuthority {
  readonly certificates: readonly PublicKey[]
  readonly threshold: number
}

/** Life of a root document, in milliseconds: as in Notary's clients. */
const ROOT_LIFE = 3650 * 86_400_000

/**
 * Prepares the first root of a repository in which the server signs everything but the roots.
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

/** @throws TrustError WRONG_STATE if the repository exists */
export function mustBeNew(gun: Gun, head: Head | undefined): void {
  if (head?.roles['root'] !== undefined) throw new TrustError('WRONG_STATE', `the repository ${gun} already exists`)
}

/**
 * Prepares the next root, in which some roles have new keys of the server, and root may have other keys, or other
 * certificates of the same keys.
 *
 * @param authority the new root keys; undefined for no change
 * @throws TrustError NOT_FOUND; WRONG_STATE if a publisher holds the key of a document that must be re-signed with it, or
 *   the root certificates have expired
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
  mustNotBeDead(root, gun, now)
  if (roles.includes('targets')) mustHoldTargetsKey(trust, gun, root, roles)
  if (!roles.includes('snapshot')) mustHoldSnapshotKey(trust, gun, root)
  const all = [...new Set([...roles, ...sharedTimestamp(trust, gun, root)])]
  const { named, keys } = await nextKeys(trust, gun, all, now)
  const next = { ...root.roles, ...named, ...(authority && { root: authorityKeys(authority) }) }
  return { payload: rootPayload(root.metadata.version + 1, now + ROOT_LIFE, next), keys }
}

/** Why nothing helps: no client accepts a root that was signed after its certificates expired. */
export const DEAD = 'the root certificates have expired: no client accepts this repository any more'

/** Called before keys are made, since a token keeps them. @throws TrustError WRONG_STATE */
function mustNotBeDead(root: Root, gun: Gun, now: number): void {
  if (isAlive(root, gun, now) || aliveFrom(root, gun, now) !== undefined) return
  throw new TrustError('WRONG_STATE', `no new root can be made for ${gun}: ${DEAD}`, {
    hint: `"countersign repo delete ${shellQuoted(gun)}", then a new repository; every client must forget this one`,
  })
}

/** @param roles to be rotated; the hint says how to rotate the others without targets @throws TrustError WRONG_STATE */
function mustHoldTargetsKey(trust: Trust, gun: Gun, root: Root, roles: readonly HeldRole[]): void {
  if (holdsRole(trust, gun, 'targets', root.roles.targets)) return
  const others = roles.filter((role) => role !== 'targets').join(' ')
  const without = others === '' ? '' : `; without it: countersign key rotate ${shellQuoted(gun)} ${others}`
  throw isWithPublisher(gun, 'targets', `its owner rotates it: notary key rotate ${shellQuoted(gun)} targets${without}`)
}

/** A new root needs a new timestamp: if another server can sign that (`adopt`), it gets a key of this server alone. */
function sharedTimestamp(trust: Trust, gun: Gun, { roles: { timestamp } }: Root): HeldRole[] {
  return heldKeys(trust, gun, 'timestamp', timestamp).length < timestamp.keys.size ? ['timestamp'] : []
}

/**
 * Makes a new key for each role. Also returns pending keys of these roles, now marked as used so that they are not handed
 * out any more: they may have been exposed for as long as the keys that they would replace.
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
