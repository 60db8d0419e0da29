import { unlessDamaged } from '../errors.ts'
import type { TagChange } from '../store/changes.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Json } from '../tuf/json/json.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isRole, isTargetsRole } from '../tuf/role.ts'
import { targetChanges } from '../tuf/target-changes.ts'
import { targetEntries, targetSha256 } from '../tuf/targets.ts'
import { recallCurrent } from './current.ts'
import type { Trust } from './trust.ts'

/**
 * Returns, for the journal, the names that new documents sign differently from the current ones, role by role.
 * Leaves out targets signed only with a hash other than SHA-256.
 */
export function tagChanges(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  documents: readonly Metadata[],
): TagChange[] {
  return documents.flatMap((document) => {
    const { role } = document
    if (!isTargetsRole(role)) return []
    // If the current document is damaged, everything signed now counts as changed.
    const before = unlessDamaged(() => recallCurrent(trust, gun, head, role))
    return targetChanges(document, before).flatMap(({ name: tag, from: old, to: now }): TagChange[] => {
      const [from, to] = [digestOf(old), digestOf(now)]
      return from === to ? [] : [{ role, tag, from, to }]
    })
  })
}

/** Returns all tags that are lost when the repository is deleted, except those in damaged documents. */
export function lostTags(trust: Trust, gun: Gun, head: Head): TagChange[] {
  return Object.keys(head.roles).flatMap((role) => {
    if (!isRole(role) || !isTargetsRole(role)) return []
    const current = unlessDamaged(() => recallCurrent(trust, gun, head, role))
    const entries = current === undefined ? [] : targetEntries(current)
    return entries.flatMap(({ name, sha256 }): TagChange[] =>
      sha256 === undefined ? [] : [{ role, tag: name, from: sha256, to: null }],
    )
  })
}

/** Returns the digest in hex; null if the name is not signed, or not with SHA-256. */
function digestOf(entry: Json | undefined): string | null {
  return (entry === undefined ? undefined : targetSha256(entry)) ?? null
}
