import { setImmediate } from 'node:timers/promises'
import { unlessDamaged } from '../errors.ts'
import type { Head } from '../store/store.ts'
import { certificateEnds } from '../tuf/certificate.ts'
import type { Gun } from '../tuf/gun.ts'
import { canonicalKeyId, type PublicKey } from '../tuf/key.ts'
import { isServerRole, type Role, type TargetsRole } from '../tuf/role.ts'
import { namesUnder } from '../tuf/paths.ts'
import type { Root } from '../tuf/root.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTargets, targetEntries, type Delegation } from '../tuf/targets.ts'
import type { RoleKeys } from '../tuf/threshold.ts'
import { notHere, whySkipped } from './client-view.ts'
import { currentRoot, loadCurrent } from './current.ts'
import { EXPIRY_HORIZON, rootCertificatesEnd } from './expiry.ts'
import { rootRenewal, type RootKeyPlaces } from './roots/renewal.ts'
import { signedHere, takeOverCommand } from './signed-here.ts'
import { isStaged, signStagedCommand } from './roots/staged.ts'
import type { Readable } from './trust.ts'

/** A key of a role, for people. */
export interface KeyDescription {
  /** The id that `notary key list` and key files show (wire spec §11.2, canonical key ID). */
  readonly id: string
  readonly keytype: string
  /**
   * Who has its private half; of a root key that has a name here: where it is. `elsewhere`: of an adopted repository, the
   * other server, or its publisher.
   */
  readonly holder: 'server' | 'client' | 'elsewhere' | 'sealed here' | 'offline'
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

interface TagDescription {
  readonly tag: string
  /** Hex SHA-256 of the image's manifest; null for targets signed with another hash only. */
  readonly digest: string | null
  /** Bytes of the manifest. */
  readonly length: number
  /** The role that signs it. */
  readonly role: string
  /** Why clients do not see it; left out: they do. */
  readonly unseen?: string
}

/** One repository as `repo show` prints it. */
export interface Description {
  readonly gun: string
  readonly revision: number
  readonly roles: readonly RoleDescription[]
  /** Delegations that are named but have signed nothing yet are listed with version 0. */
  readonly delegations: readonly RoleDescription[]
  readonly tags: readonly TagDescription[]
  readonly warnings: readonly string[]
}

/**
 * Describe a repository, as its head is when this is called. Between two documents others have their turn: owners choose
 * how many there are, and how large.
 *
 * @param now milliseconds since 1970, for warnings about what has expired
 * @param places of root keys
 * @returns undefined if it has no metadata, or was deleted meanwhile
 */
export async function describe(
  trust: Readable,
  gun: Gun,
  now: number,
  places: RootKeyPlaces = new Map(),
): Promise<Description | undefined> {
  const head = trust.store.head(gun)
  const root = currentRoot(trust, gun, head)
  if (head === undefined || root === undefined) return undefined
  const roles = (['root', 'targets', 'snapshot', 'timestamp'] as const).map((role) =>
    describeRole(trust, head, role, root.roles[role], role === 'root' ? places : undefined),
  )
  const delegations: RoleDescription[] = []
  const tags: TagDescription[] = []
  const unseen: string[] = []
  const walk = async (
    role: TargetsRole,
    paths: readonly string[],
    delegation?: Delegation,
    above?: string,
  ): Promise<void> => {
    const metadata = loadCurrent(trust, gun, head, role)
    if (metadata === undefined) return
    await setImmediate()
    const targets = parseTargets(metadata)
    const skipped = above ?? (delegation && whySkipped(metadata, delegation))
    const isUnder = namesUnder(paths)
    let outside = 0
    for (const { name, length, sha256 = null } of targetEntries(metadata)) {
      const why = skipped ?? (isUnder(name) ? undefined : `the paths of ${role} do not allow it`)
      if (why !== undefined) outside += 1
      tags.push({ tag: name, digest: sha256, length, role, ...(why === undefined ? {} : { unseen: why }) })
    }
    if (above === undefined && skipped !== undefined) unseen.push(skipped)
    else if (skipped === undefined && outside > 0) {
      unseen.push(`clients do not see ${outside} of the tags of ${role}: its paths do not allow them`)
    }
    for (const each of targets.delegations.values()) {
      delegations.push(describeRole(trust, head, each.name, each))
      await walk(each.name, each.paths.filter(isUnder), each, skipped)
    }
  }
  await walk('targets', [''])
  if (trust.store.head(gun)?.roles['root'] === undefined) return undefined
  const all = [...roles, ...delegations]
  const warnings = [
    ...adoptionWarnings(trust, gun, head, root, places, delegations),
    ...warningsOf(all, now),
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
    keys: [...keys.keys].map(([id, key]) => describeKey(trust, id, key, others, places)),
    ...('paths' in keys ? { paths: keys.paths } : {}),
  }
}

function describeKey(
  trust: Readable,
  id: string,
  key: PublicKey,
  others: KeyDescription['holder'],
  places?: RootKeyPlaces,
): KeyDescription {
  const ends = certificateEnds(key)
  return {
    id: canonicalKeyId(key),
    keytype: key.keytype,
    holder: places?.get(canonicalKeyId(key)) ?? (trust.store.keyOwner(id) === undefined ? others : 'server'),
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
  const { expires } = head.roles['timestamp'] ?? {}
  if (signedHere(head) || expires === undefined) return []
  const { here } = rootRenewal(trust, gun, head, root, places)
  const next = isStaged(trust, gun) ? signStagedCommand(gun, here) : takeOverCommand(gun)
  const snapshot = unlessDamaged(() => loadCurrent(trust, gun, head, 'snapshot'))
  const named = snapshot === undefined ? [] : parseSnapshot(snapshot).meta.keys()
  const [lost] = notHere(named, head, new Set(delegations.map(({ role }) => role)))
  const until = new Date(expires).toISOString().slice(0, 10)
  const meanwhile =
    lost === undefined ? `clients take it until ${until}` : `clients cannot read it before, without ${lost}`
  return [`adopted, and not signed here yet: ${meanwhile}. ${next}`]
}

function warningsOf(roles: readonly RoleDescription[], now: number): string[] {
  return roles.flatMap(({ role, expires, version, keys, threshold }) => {
    const warnings: string[] = []
    if (version > 0 && Date.parse(expires) < now) warnings.push(`${role} expired at ${expires}`)
    if (keys.length < threshold) warnings.push(`${role} has fewer keys than its threshold: nobody can sign it`)
    return warnings
  })
}

/** Past that end nothing helps: it has to be said before (wire spec §19.24). */
function certificateWarnings(
  trust: Readable,
  gun: Gun,
  head: Head,
  root: Root,
  now: number,
  places: RootKeyPlaces,
): string[] {
  const end = rootCertificatesEnd(root.roles.root) ?? Infinity
  if (end > now + EXPIRY_HORIZON) return []
  if (end < now) return ['root certificates have expired: clients refuse this repository']
  const day = new Date(end).toISOString().slice(0, 10)
  const { command } = rootRenewal(trust, gun, head, root, places)
  return [`root certificates end on ${day}, then clients refuse this repository: ${command}`]
}
