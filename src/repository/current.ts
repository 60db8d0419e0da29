import { TrustError } from '../errors.ts'
import { DAMAGED_HINT } from '../store/hints.ts'
import type { Head, StoredDocument } from '../store/store.ts'
import type { Current } from '../tuf/current.ts'
import type { Gun } from '../tuf/gun.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import { parseMetadata, type Metadata } from '../tuf/metadata.ts'
import { isDelegation, parentOf, type Role, type SignedRole, type TargetsRole } from '../tuf/role.ts'
import { storedRoot, type Root } from '../tuf/root.ts'
import { parseTargets, type Targets } from '../tuf/targets.ts'
import type { Documents, Readable, Trust } from './trust.ts'

/**
 * Reads the current document of a role, as stored; undefined if there is none, or if it was deleted since the head was
 * read.
 *
 * @param head undefined if nothing is stored of the repository
 *
 * @throws TrustError CORRUPT, also if the document that the head names is missing
 */
export function currentDocument(
  { store }: Documents,
  gun: Gun,
  head: Head | undefined,
  role: Role,
): StoredDocument | undefined {
  const state = head?.roles[role]
  if (state === undefined) return undefined
  const document = store.document(gun, role, { sha256: state.sha256 })
  if (document !== undefined) return document
  // It was deleted after the head was read, or it is damaged.
  if (store.head !== undefined && store.head(gun)?.roles[role]?.sha256 !== state.sha256) return undefined
  throw new TrustError('CORRUPT', `the store lacks the current ${role} of ${gun}`, { hint: DAMAGED_HINT })
}

/** As `currentDocument`, but decodes the document. @throws TrustError CORRUPT */
export function loadCurrent(trust: Documents, gun: Gun, head: Head | undefined, role: Role): Metadata | undefined {
  const document = currentDocument(trust, gun, head, role)
  return document && parseMetadata(role, document.bytes)
}

/** Reads the current root, without checking its keys again. @throws TrustError CORRUPT, INVALID_UPDATE */
export function currentRoot(trust: Readable, gun: Gun, head: Head | undefined): Root | undefined {
  const metadata = loadCurrent(trust, gun, head, 'root')
  return metadata && storedRoot(metadata)
}

/** Reads the current delegations of a role. @throws TrustError CORRUPT, INVALID_UPDATE */
export function currentDelegations(
  trust: Readable,
  gun: Gun,
  head: Head | undefined,
  role: TargetsRole,
): Targets['delegations'] | undefined {
  const metadata = loadCurrent(trust, gun, head, role)
  return metadata && parseTargets(metadata).delegations
}

/** Returns a role's keys, as named by the document that delegates to it. @throws TrustError CORRUPT, INVALID_UPDATE */
export function namedKeys(trust: Readable, gun: Gun, role: SignedRole): RoleKeys | undefined {
  const head = trust.store.head(gun)
  if (isDelegation(role)) return currentDelegations(trust, gun, head, parentOf(role))?.get(role)
  return currentRoot(trust, gun, head)?.roles[role]
}

/** As `loadCurrent`, but reuses recently decoded documents without reading them again: for changes, never for `check`. */
export function recallCurrent(trust: Trust, gun: Gun, head: Head | undefined, role: Role): Metadata | undefined {
  const state = head?.roles[role]
  return state && trust.decoded.get(gun, role, state.sha256, () => loadCurrent(trust, gun, head, role))
}

/** Returns the root in force of a repository that must have one. @throws TrustError CORRUPT */
export function rootInForce(trust: Trust, gun: Gun, head: Head): Root {
  const metadata = recallCurrent(trust, gun, head, 'root')
  if (metadata === undefined)
    throw new TrustError('CORRUPT', `${gun} has a timestamp and no root`, { hint: DAMAGED_HINT })
  return storedRoot(metadata)
}

/** Returns a repository's state for `acceptUpdate`, which reads from the store on demand. */
export function currentOf(trust: Trust, gun: Gun, head: Head | undefined): Current {
  const roles = head?.roles ?? {}
  const exists = roles['root'] !== undefined
  return {
    roles: new Map(Object.entries(roles)),
    floor: (role) => (exists ? (head?.highest[role] ?? 0) : 0),
    load: (role) => recallCurrent(trust, gun, head, role),
    keyOwner: (keyId) => trust.store.keyOwner(keyId),
  }
}
