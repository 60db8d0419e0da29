import { unlessDamaged } from '../errors.ts'
import type { KeyFault } from '../signing/signer.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { certificateEnds } from '../tuf/keys/certificate.ts'
import { canonicalKeyId, type PublicKey } from '../tuf/keys/key.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import { BASE_ROLES, HELD_ROLES, isServerRole, type Role } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import type { Delegation } from '../tuf/targets.ts'
import { missingRoles, rootFault, whyExpired } from './client-view.ts'
import { currentRoot, loadCurrent } from './current.ts'
import { EXPIRY_HORIZON, rootCertificatesEnd } from './expiry.ts'
import { rootRenewal, type RootKeyPlaces } from './roots/renewal.ts'
import { isStaged, signStagedCommand } from './roots/staged.ts'
import { signedHere, takeOverCommand } from './signed-here.ts'
import { signedTags, type SignedTag } from './signed-tags.ts'
import type { Readable } from './trust.ts'
import { unusableKeys } from './unusable-keys.ts'

/** A key of a role, described for people. */
export interface KeyDescription {
  /** The id that `notary key list` and key files show (wire spec §11.2, canonical key ID). */
  readonly id: string
  readonly keytype: string
  /**
   * Who has its private half or, for a root key that has a name here, where it is. `elsewhere`: the other server, or the
   * publisher, of an adopted repository.
   */
  readonly holder: 'server' | 'client' | 'elsewhere' | 'sealed here' | 'offline'
  /** Why the server cannot use its key now; missing: it can, or the key is not the server's. */
  readonly unusable?: string
  /** End of the key's certificate, RFC 3339; root keys only. */
  readonly certificateEnds?: string
}

/** A role, with the keys that may sign it. */
export interface RoleDescription {
  readonly role: string
  readonly version: number
  /** RFC 3339. */
  readonly expires: string
  readonly sha256: string
  /** Bytes. */
  readonly length: number
  readonly threshold: number
  readonly keys: readonly KeyDescription[]
  /** Delegations only: prefixes of the target names that it may sign. */
  readonly paths?: readonly string[]
}

/** A repository as `repo show` prints it. */
export interface Description {
  readonly gun: string
  readonly revision: number
  readonly roles: readonly RoleDescription[]
  /** Delegations that have signed nothing yet are listed with version 0. */
  readonly delegations: readonly RoleDescription[]
  readonly tags: readonly SignedTag[]
  readonly warnings: readonly string[]
}

/**
 * Describes a repository with its head at the time of the call. Lets other work run between two documents.
 *
 * @param now milliseconds since 1970, for warnings about expired documents
 * @param places of root keys
 * @param keyFault asked about each key that the server holds
 * @returns undefined if it has no metadata, or was deleted meanwhile
 * @throws TrustError CORRUPT if root or targets is damaged, or every document with tags; STORE_UNAVAILABLE
 */
export async function describe(
  trust: Readable,
  gun: Gun,
  now: number,
  places: RootKeyPlaces = new Map(),
  keyFault: KeyFault = async () => undefined,
): Promise<Description | undefined> {
  const head = trust.store.head(gun)
  const root = currentRoot(trust, gun, head)
  if (head === undefined || root === undefined) return undefined
  const { tags, delegations: named, warnings: unseen } = await signedTags(trust, gun, head, root, now)
  const held = HELD_ROLES.map((role) => [role, root.roles[role]] as const)
  const delegated = named.map((each) => [each.name, each] as const)
  const unusable = await unusableKeys(trust, gun, [...held, ...delegated], keyFault, 'find')
  if (trust.store.head(gun)?.roles['root'] === undefined) return undefined
  const roles = (['root', ...HELD_ROLES] as const).map((role) =>
    describeRole(trust, head, role, root.roles[role], unusable, role === 'root' ? places : undefined),
  )
  const delegations = delegated.map(([role, keys]) => describeRole(trust, head, role, keys, unusable))
  const all = [...roles, ...delegations]
  const warnings = [
    ...adoptionWarnings(trust, gun, head, root, places, delegations),
    ...warningsOf(all, head, now),
    ...unusableWarnings(all),
    ...unseen,
    ...certificateWarnings(trust, gun, head, root, now, places),
  ]
  return { gun, revision: head.revision, roles, delegations, tags, warnings }
}

function describeRole(
  trust: Readable,
  head: Head,
  role: Role,
  keys: RoleKeys | Delegation,
  unusable: ReadonlyMap<string, string>,
  places?: RootKeyPlaces,
): RoleDescription {
  const state = head.roles[role]
  const others = isServerRole(role) && !signedHere(head) ? 'elsewhere' : 'client'
  return {
    role,
    version: state?.version ?? 0,
    expires: state === undefined ? '' : new Date(state.expires).toISOString(),
    sha256: state?.sha256 ?? '',
    length: state?.length ?? 0,
    threshold: keys.threshold,
    keys: [...keys.keys].map(([id, key]) => describeKey(trust, id, key, others, unusable.get(id), places)),
    ...('paths' in keys ? { paths: keys.paths } : {}),
  }
}

function describeKey(
  trust: Readable,
  id: string,
  key: PublicKey,
  others: KeyDescription['holder'],
  unusable: string | undefined,
  places?: RootKeyPlaces,
): KeyDescription {
  const ends = certificateEnds(key)
  const holder = places?.get(canonicalKeyId(key)) ?? (trust.store.keyOwner(id) === undefined ? others : 'server')
  return {
    id: canonicalKeyId(key),
    keytype: key.keytype,
    holder,
    ...(holder === 'server' && unusable !== undefined ? { unusable } : {}),
    ...(ends === undefined ? {} : { certificateEnds: new Date(ends).toISOString() }),
  }
}

function adoptionWarnings(
  trust: Readable,
  gun: Gun,
  head: Head,
  root: Root,
  places: RootKeyPlaces,
  delegations: readonly RoleDescription[],
): string[] {
  if (signedHere(head)) return []
  const { here } = rootRenewal(trust, gun, head, root, places)
  const next = isStaged(trust, gun) ? signStagedCommand(gun, here) : takeOverCommand(gun)
  const snapshot = unlessDamaged(() => loadCurrent(trust, gun, head, 'snapshot'))
  const named = snapshot === undefined ? [] : parseSnapshot(snapshot).keys()
  const [lost] = missingRoles(named, head, new Set(delegations.map(({ role }) => role)))
  const ends = BASE_ROLES.map((role) => head.roles[role]?.expires ?? Infinity)
  const until = new Date(Math.min(...ends)).toISOString().slice(0, 10)
  const meanwhile =
    lost === undefined ? `clients accept it until ${until}` : `clients cannot read it until then, without ${lost}`
  return [`adopted, and not signed here yet: ${meanwhile}. ${next}`]
}

function warningsOf(roles: readonly RoleDescription[], head: Head, now: number): string[] {
  return roles.flatMap(({ role, keys, threshold }) => {
    const few = keys.length < threshold ? [`${role} has fewer keys than its threshold: nobody can sign it`] : []
    const ended = whyExpired(head, role, now)
    return ended === undefined ? few : [ended, ...few]
  })
}

/** Says once of each key why the server cannot use it, whichever delegations name it. */
function unusableWarnings(roles: readonly RoleDescription[]): string[] {
  const keys = roles.flatMap(({ role, keys: those }) => those.map((key) => ({ role, ...key })))
  return [...Map.groupBy(keys, ({ id }) => id)].flatMap(([id, [first]]) =>
    first?.unusable === undefined
      ? []
      : [`the server cannot use the ${first.role} key ${id.slice(0, 12)}: ${first.unusable}`],
  )
}

/** Warns before the root certificates end, since nothing helps after that (wire spec §19.24). */
function certificateWarnings(
  trust: Readable,
  gun: Gun,
  head: Head,
  root: Root,
  now: number,
  places: RootKeyPlaces,
): string[] {
  const end = rootCertificatesEnd(root.roles.root) ?? Infinity
  const fault = rootFault(root, gun, now)
  if (fault === undefined && end > now + EXPIRY_HORIZON) return []
  if (fault !== undefined && end < now) return [fault]
  const { command } = rootRenewal(trust, gun, head, root, places)
  if (fault !== undefined) return [`${fault}, or until it has others: ${command}`]
  const day = new Date(end).toISOString().slice(0, 10)
  return [`root certificates end on ${day}, then clients refuse this repository: ${command}`]
}
