import { refuse } from '../errors.ts'
import { memoized } from '../memory/memoized.ts'
import type { Json, JsonObject } from './json/json.ts'
import {
  bytesOf,
  integerOf,
  listOrEmpty,
  objectOf,
  objectOrEmpty,
  refuseControls,
  refuseUnreadableHashes,
  refuseVariants,
  textOf,
  type Fail,
} from './json/members.ts'
import { isSoundDelegationKey } from './keys/certificate.ts'
import type { PublicKey } from './keys/key.ts'
import { parseKeys, checkUsedKey } from './keys/public-keys.ts'
import { distinctKeys, type RoleKeys } from './keys/threshold.ts'
import { checkTypeAndVersion, type Metadata } from './metadata.ts'
import { isDelegation, parentOf, type DelegationRole } from './role.ts'
import { targetChanges } from './target-changes.ts'

/** One entry of `delegations.roles`: who may sign which target names. */
export interface Delegation extends RoleKeys {
  readonly name: DelegationRole
  /** Prefixes of target names; `""` covers everything. */
  readonly paths: readonly string[]
}

/** A targets or delegation document whose structure has been checked. */
export interface Targets {
  readonly metadata: Metadata
  readonly delegations: ReadonlyMap<DelegationRole, Delegation>
}

/** The most delegations in one document. */
const DELEGATIONS_MAX = 1_000
/** A target needs one of these hashes, since clients can check no others. Each has exactly one form in base64. */
const HASHES = [
  { algorithm: 'sha256', bytes: 32, base64: /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/ },
  { algorithm: 'sha512', bytes: 64, base64: /^[A-Za-z0-9+/]{85}[AQgw]==$/ },
]
const HASH_NAMES = HASHES.map(({ algorithm }) => algorithm)

/** Refuses an update because of targets or a delegation. */
export const badTargets: Fail = (text) => refuse('ErrBadTargets', text)

/**
 * Checks the structure of targets or of a delegation (wire spec §6.3), and also refuses what clients would fail on:
 * target entries without a usable hash or length, and delegations whose threshold exceeds their number of keys.
 *
 * @param known a checked document of the same role: entries that are equal there, thousands in a typical publish, are
 *   not checked again
 * @throws TrustError INVALID_UPDATE, ErrBadTargets
 */
export const parseTargets = memoized((metadata: Metadata, known?: Targets): Targets => {
  const { role, signed } = metadata
  checkTypeAndVersion(metadata, 'Targets', badTargets)
  objectOrEmpty(signed['targets'], `${role} "targets"`, badTargets)
  for (const { name, to } of targetChanges(metadata, known?.metadata)) if (to !== undefined) checkTarget(name, to)
  const delegations = objectOrEmpty(signed['delegations'], `${role} "delegations"`, badTargets)
  refuseVariants(delegations, ['keys', 'roles'], `${role} "delegations"`, badTargets)
  const keys = parseKeys(delegations['keys'], `${role} delegation "keys"`, badTargets)
  const list = listOrEmpty(delegations['roles'], `${role} delegation "roles"`, badTargets)
  if (list.length > DELEGATIONS_MAX) badTargets(`${role} delegates to more than ${DELEGATIONS_MAX} roles`)
  const roles = new Map<DelegationRole, Delegation>()
  for (const item of list) {
    const delegation = parseDelegation(metadata, item, keys)
    // Go uses the first of two entries; a reader that uses the last would trust other keys.
    if (roles.has(delegation.name)) {
      badTargets(`${role} type metadata invalid: delegation role ${delegation.name} is listed twice`)
    }
    roles.set(delegation.name, delegation)
  }
  return { metadata, delegations: roles }
})

function parseDelegation(metadata: Metadata, item: Json, keys: Map<string, PublicKey>): Delegation {
  const invalid = (text: string): never => badTargets(`${metadata.role} type metadata invalid: ${text}`)
  const members = objectOf(item, `a delegation of ${metadata.role}`, badTargets)
  refuseVariants(members, ['name', 'keyids', 'threshold', 'paths'], `a delegation of ${metadata.role}`, badTargets)
  const name = textOf(members['name'], `a delegation's "name"`, badTargets)
  if (!isDelegation(name) || parentOf(name) !== metadata.role) {
    return invalid(`delegation role ${name.slice(0, 80)} invalid`)
  }
  const threshold = integerOf(members['threshold'] ?? 0, `threshold of ${name}`, badTargets)
  if (threshold < 1) invalid(`invalid threshold specified for ${name}: ${threshold} `)
  const used = new Map<string, PublicKey>()
  for (const entry of listOrEmpty(members['keyids'], `"keyids" of ${name}`, badTargets)) {
    const id = textOf(entry, `a key id of ${name}`, badTargets)
    const key = keys.get(id)
    if (key === undefined) return invalid(`key ID ${id.slice(0, 64)} specified in ${name} without corresponding key`)
    if (!isSoundDelegationKey(key)) invalid(`key ID ${id} of ${name} is a certificate that clients refuse`)
    used.set(id, checkUsedKey(id, key, badTargets))
  }
  // `notary delegation purge` leaves a role without keys: nobody can sign it, and clients skip it.
  if (used.size > 0 && threshold > distinctKeys(used.values())) {
    invalid(`threshold ${threshold} of ${name} is above its number of keys`)
  }
  const list = listOrEmpty(members['paths'], `"paths" of ${name}`, badTargets)
  const paths = list.map((path) => textOf(path, `a path of ${name}`, badTargets))
  for (const path of paths) refuseControls(path, `a path of ${name}`, badTargets)
  return { name, keys: used, threshold, paths }
}

function checkTarget(name: string, value: Json): void {
  if (name === '') badTargets("a target's name is empty")
  refuseControls(name, "a target's name", badTargets)
  const where = `target ${name.slice(0, 80)}`
  const entry = objectOf(value, where, badTargets)
  refuseVariants(entry, ['hashes', 'length', 'custom'], where, badTargets)
  if (integerOf(entry['length'], `length of ${where}`, badTargets) < 0) badTargets(`length of ${where} is negative`)
  checkHashes(objectOf(entry['hashes'], `hashes of ${where}`, badTargets), where)
}

function checkHashes(hashes: JsonObject, where: string): void {
  refuseUnreadableHashes(hashes, HASH_NAMES, where, badTargets)
  let usable = 0
  for (const { algorithm, bytes, base64 } of HASHES) {
    const value = hashes[algorithm]
    if (value === undefined) continue
    usable += 1
    // A publish may carry thousands of tags: a valid hash is recognised without decoding it.
    if (typeof value === 'string' && base64.test(value)) continue
    bytesOf(value, `${algorithm} of ${where}`, badTargets)
    badTargets(`${algorithm} of ${where} must have ${bytes} bytes`)
  }
  if (usable === 0) badTargets(`${where} has neither a sha256 nor a sha512 hash`)
}

/** Returns the targets that a document signs: name, length in bytes, and SHA-256 in hex if it has one. */
export function targetEntries(metadata: Metadata): { name: string; length: number; sha256: string | undefined }[] {
  const entries = objectOrEmpty(metadata.signed['targets'], 'targets', badTargets)
  return Object.entries(entries).map(([name, value]) => {
    const { length } = objectOf(value, name, badTargets)
    return { name, length: integerOf(length, name, badTargets), sha256: targetSha256(value) }
  })
}

/** Returns the SHA-256 of a target in hex; undefined if it has only another hash. @param entry a target of a checked document */
export function targetSha256(entry: Json): string | undefined {
  const { sha256 } = (entry as { readonly hashes: JsonObject }).hashes
  return typeof sha256 === 'string' ? Buffer.from(sha256, 'base64').toString('hex') : undefined
}
