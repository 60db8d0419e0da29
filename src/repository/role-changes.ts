import { unlessDamaged } from '../errors.ts'
import type { RoleChange } from '../store/changes.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isTargetsRole } from '../tuf/role.ts'
import { storedRoot } from '../tuf/root.ts'
import { parseTargets } from '../tuf/targets.ts'
import type { RoleKeys } from '../tuf/threshold.ts'
import { recallCurrent } from './current.ts'
import type { Trust } from './trust.ts'

/** The roles that a document names, and their keys; of delegations also the paths. */
type NamedRoles = ReadonlyMap<string, RoleKeys & { readonly paths?: readonly string[] }>

const NONE: NamedRoles = new Map()

/**
 * Who may sign what otherwise than before, for the journal: roles that new documents give other keys, thresholds or paths
 * than the current ones do.
 *
 * @param head of the repository before; undefined for a new one
 */
export function roleChanges(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  documents: readonly Metadata[],
): RoleChange[] {
  return documents.flatMap((document) => {
    const after = namedRoles(document)
    // Beside a damaged one, and one that is unsound by newer rules, all is new.
    const before = unlessDamaged(() => namedRoles(head && recallCurrent(trust, gun, head, document.role))) ?? NONE
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((role) => {
      const [old, now] = [before.get(role), after.get(role)]
      const added = missingIn(old, now)
      const removed = missingIn(now, old)
      const paths = now?.paths
      const same = old?.threshold === now?.threshold && samePaths(old?.paths, paths)
      if (same && added.length === 0 && removed.length === 0) return []
      return [{ role, added, removed, threshold: now?.threshold ?? null, ...(paths === undefined ? {} : { paths }) }]
    })
  })
}

function namedRoles(metadata: Metadata | undefined): NamedRoles {
  if (metadata?.role === 'root') return new Map(Object.entries(storedRoot(metadata).roles))
  return metadata !== undefined && isTargetsRole(metadata.role) ? parseTargets(metadata).delegations : NONE
}

/** Ids of the keys of one that the other has not. */
function missingIn(other: RoleKeys | undefined, of: RoleKeys | undefined): string[] {
  return [...(of?.keys.keys() ?? [])].filter((keyId) => other?.keys.has(keyId) !== true)
}

function samePaths(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === other.length && one.every((path, index) => path === other[index])
}
