import { unlessDamaged } from '../errors.ts'
import type { RoleChange } from '../store/changes.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { canonicalKeyId, type PublicKey } from '../tuf/keys/key.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isTargetsRole } from '../tuf/role.ts'
import { storedRoot } from '../tuf/root.ts'
import { parseTargets } from '../tuf/targets.ts'
import { recallCurrent } from './current.ts'
import type { Trust } from './trust.ts'

/** A role as defined in root, or as a delegation with paths. */
type NamedRole = RoleKeys & { readonly paths?: readonly string[] }
type NamedRoles = ReadonlyMap<string, NamedRole>

const NONE: NamedRoles = new Map()

/**
 * Returns, for the journal, changes of who may sign what: roles whose keys, threshold or paths differ between the current
 * documents and the new ones.
 *
 * @param head of the repository before the change; undefined for a new one
 */
export function roleChanges(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  documents: readonly Metadata[],
): RoleChange[] {
  return documents.flatMap((document) => {
    const after = namedRoles(document)
    // If the current document is damaged, or unsound by newer rules, everything counts as new.
    const before = unlessDamaged(() => namedRoles(recallCurrent(trust, gun, head, document.role))) ?? NONE
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((role) =>
      changeOf(role, before.get(role), after.get(role)),
    )
  })
}

/** Compares one role; empty if it is the same. */
function changeOf(role: string, before: NamedRole | undefined, after: NamedRole | undefined): RoleChange[] {
  const added = missingIn(before, after)
  const removed = missingIn(after, before)
  const isSame = before?.threshold === after?.threshold && samePaths(before?.paths, after?.paths)
  if (isSame && added.length === 0 && removed.length === 0) return []
  const certified = [...added, ...removed].flatMap(([certificate, named]) => {
    const key = canonicalKeyId(named)
    return key === certificate ? [] : [{ certificate, key }]
  })
  return [
    {
      role,
      added: added.map(([keyId]) => keyId),
      removed: removed.map(([keyId]) => keyId),
      ...(certified.length === 0 ? {} : { certified }),
      threshold: after?.threshold ?? null,
      ...(after?.paths === undefined ? {} : { paths: after.paths }),
    },
  ]
}

function namedRoles(metadata: Metadata | undefined): NamedRoles {
  if (metadata?.role === 'root') return new Map(Object.entries(storedRoot(metadata).roles))
  return metadata !== undefined && isTargetsRole(metadata.role) ? parseTargets(metadata).delegations : NONE
}

/** Returns the keys of `one`, with their ids, that `other` lacks. */
function missingIn(other: NamedRole | undefined, one: NamedRole | undefined): [string, PublicKey][] {
  return [...(one?.keys ?? [])].filter(([keyId]) => other?.keys.has(keyId) !== true)
}

function samePaths(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === other.length && one.every((path, index) => path === other[index])
}
