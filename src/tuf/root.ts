import { refuse } from '../errors.ts'
import { memoized } from '../memory/memoized.ts'
import type { Gun } from './gun.ts'
import type { JsonObject } from './json/json.ts'
import {
  integerOf,
  listOf,
  listOrEmpty,
  objectOf,
  refuseControls,
  refuseVariants,
  textOf,
  type Fail,
} from './json/members.ts'
import { certificateBegins, rootLeaf } from './keys/certificate.ts'
import { keyEntry, type PublicKey } from './keys/key.ts'
import { parseKeys, checkUsedKey } from './keys/public-keys.ts'
import { countSigners, distinctKeys, type RoleKeys } from './keys/threshold.ts'
import { checkTypeAndVersion, type Metadata } from './metadata.ts'
import { BASE_ROLES, type BaseRole } from './role.ts'
import { formatTime } from './time.ts'

/** A root document whose structure has been checked. */
export interface Root {
  readonly metadata: Metadata
  /** The keys of each base role as written in the document. For root's own keys use `rootKeys`. */
  readonly roles: Readonly<Record<BaseRole, RoleKeys>>
}

/** Refuses an update because of its root. */
export const badRoot: Fail = (text) => refuse('ErrBadRoot', text)
const CHAIN = 'could not validate the path to a trusted root: '
const ROTATE = 'could not rotate trust to a new trusted root: '

/**
 * Checks a root's structure (wire spec §6.2 step 1), more strictly than Go: no threshold may exceed the number of
 * distinct keys, and each key that a role uses must be sound.
 *
 * @throws TrustError INVALID_UPDATE, ErrBadRoot
 */
export const parseRoot = memoized((metadata: Metadata): Root => {
  const root = storedRoot(metadata)
  for (const role of BASE_ROLES) judgeRole(role, root.roles[role])
  return root
})

/**
 * As `parseRoot`, for a root that was accepted earlier: does not check its keys again. That takes time, and there may be
 * thousands of roots to read.
 *
 * @throws TrustError INVALID_UPDATE, ErrBadRoot
 */
export const storedRoot = memoized((metadata: Metadata): Root => ({ metadata, roles: readRoles(metadata) }))

function readRoles(metadata: Metadata): Root['roles'] {
  checkTypeAndVersion(metadata, 'Root', badRoot)
  const keys = parseKeys(metadata.signed['keys'], 'root "keys"', badRoot)
  const members = objectOf(metadata.signed['roles'], 'root "roles"', badRoot)
  refuseVariants(members, BASE_ROLES, 'root "roles"', badRoot)
  const roles = {} as Record<BaseRole, RoleKeys>
  for (const role of BASE_ROLES) {
    if (members[role] === undefined || members[role] === null) {
      badRoot(`root type metadata invalid: missing ${role} role specification`)
    }
    roles[role] = readRole(role, objectOf(members[role], `root role ${role}`, badRoot), keys)
  }
  return roles
}

function readRole(role: BaseRole, members: JsonObject, keys: Map<string, PublicKey>): RoleKeys {
  refuseVariants(members, ['keyids', 'threshold'], `root role ${role}`, badRoot)
  const threshold = integerOf(members['threshold'] ?? 0, `threshold of ${role}`, badRoot)
  if (threshold < 1) badRoot(`root type metadata invalid: invalid threshold specified for ${role}: ${threshold} `)
  const named = new Map<string, PublicKey>()
  for (const item of listOf(members['keyids'], `"keyids" of ${role}`, badRoot)) {
    const id = textOf(item, `a key id of ${role}`, badRoot)
    const key = keys.get(id)
    if (key === undefined) {
      return badRoot(
        `root type metadata invalid: key ID ${id.slice(0, 64)} specified in ${role} without corresponding key`,
      )
    }
    named.set(id, key)
  }
  return { keys: named, threshold }
}

function judgeRole(role: BaseRole, { keys, threshold }: RoleKeys): void {
  // Root's own keys are certificates, which `rootKeys` rebuilds and checks.
  if (role !== 'root') for (const [id, key] of keys) checkUsedKey(id, key, badRoot)
  if (threshold > distinctKeys(keys.values())) {
    badRoot(`root type metadata invalid: threshold ${threshold} of ${role} is above its number of keys`)
  }
}

/**
 * Returns root's own keys as its readers rebuild them, from the leaf certificates that match the GUN (wire spec §6.2
 * steps 2 and 5). A key whose PEM is not written exactly as Go writes it gets another id and so never counts.
 *
 * @param now milliseconds since 1970; undefined skips the certificates' validity period (rotation, step 3)
 */
export function rootKeys(root: Root, gun: Gun, now: number | undefined): RoleKeys {
  const keys = new Map<string, PublicKey>()
  for (const key of root.roles.root.keys.values()) {
    const leaf = rootLeaf(key, gun, now)
    if (leaf !== undefined) keys.set(leaf.keyId, leaf.key)
  }
  return { keys, threshold: root.roles.root.threshold }
}

/**
 * False when fewer root keys than the threshold have a valid certificate: no client accepts such a repository (wire spec
 * §19.24).
 *
 * @param now milliseconds since 1970
 */
export function isAlive(root: Root, gun: Gun, now: number): boolean {
  const { keys, threshold } = rootKeys(root, gun, now)
  return distinctKeys(keys.values()) >= threshold
}

/** How many certificate start times are tried: publishers choose how many there are, and each try reads all root keys. */
const BEGINNINGS_MAX = 8

/**
 * Returns when a root becomes alive whose certificates are not valid yet because they were made while the clock was
 * ahead: milliseconds since 1970, or undefined for a root that is alive now or never will be.
 *
 * @param now milliseconds since 1970
 */
export function aliveFrom(root: Root, gun: Gun, now: number): number | undefined {
  if (isAlive(root, gun, now)) return undefined
  const begins = [...root.roles.root.keys.values()].flatMap((key) => certificateBegins(key) ?? [])
  const later = new Set(begins.filter((time) => time > now).toSorted((one, other) => one - other))
  return [...later].slice(0, BEGINNINGS_MAX).find((time) => isAlive(root, gun, time))
}

/**
 * Verifies a root by its own certificates, and by those of the previous root if there is one (wire spec §6.2). Whether it
 * has expired is up to the caller: a new root can still follow it.
 *
 * @param previous the stored root that it replaces; undefined for a first root
 * @param now milliseconds since 1970; undefined for a root that was replaced since, whose certificates may have expired
 * @throws TrustError INVALID_UPDATE, ErrBadRoot
 */
export function verifyRoot(root: Root, previous: Root | undefined, gun: Gun, now: number | undefined): void {
  checkReadable(root.metadata.signed)
  const own = rootKeys(root, gun, now)
  if (own.keys.size === 0) badRoot(`${CHAIN}unable to retrieve valid leaf certificates`)
  if (previous !== undefined) {
    const old = rootKeys(previous, gun, undefined)
    if (countSigners(root.metadata, old.keys) < old.threshold) {
      badRoot(`${ROTATE}failed to validate data with current trusted certificates`)
    }
  }
  if (countSigners(root.metadata, own.keys) < own.threshold) {
    badRoot(`${CHAIN}failed to validate integrity of roots`)
  }
}

/** Checks the types of all other members too: if Go cannot decode one, its clients cannot read the root at all. */
function checkReadable({ consistent_snapshot: consistent, roles }: JsonObject): void {
  if (consistent !== undefined && consistent !== null && typeof consistent !== 'boolean') {
    badRoot('root "consistent_snapshot" must be true or false')
  }
  for (const [name, value] of Object.entries(objectOf(roles, 'root "roles"', badRoot))) {
    if ((BASE_ROLES as readonly string[]).includes(name)) continue
    const where = `root role ${name.slice(0, 80)}`
    refuseControls(name, 'the name of a further role', badRoot)
    if (value === null) continue
    const members = objectOf(value, where, badRoot)
    refuseVariants(members, ['keyids', 'threshold'], where, badRoot)
    for (const id of listOrEmpty(members['keyids'], `"keyids" of ${where}`, badRoot)) {
      refuseControls(textOf(id, `a key id of ${where}`, badRoot), `a key id of ${where}`, badRoot)
    }
    integerOf(members['threshold'] ?? 0, `threshold of ${where}`, badRoot)
  }
}

/**
 * Returns the payload of a root (wire spec §11.1), without keys of earlier roots: readers take those from these roots.
 *
 * @param expires milliseconds since 1970
 */
export function rootPayload(version: number, expires: number, roles: Root['roles']): JsonObject {
  const keys: Record<string, JsonObject> = {}
  const named: Record<string, JsonObject> = {}
  for (const role of BASE_ROLES) {
    const { keys: ofRole, threshold } = roles[role]
    for (const [id, key] of ofRole) keys[id] = keyEntry(key)
    named[role] = { keyids: [...ofRole.keys()].toSorted(), threshold }
  }
  return { _type: 'Root', consistent_snapshot: false, expires: formatTime(expires), keys, roles: named, version }
}
