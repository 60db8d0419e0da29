import type { Head, TagChange } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isTargetsRole } from '../tuf/role.ts'
import { targetEntries } from '../tuf/targets.ts'
import { loadCurrent } from './current.ts'
import type { Readable } from './trust.ts'

/**
 * Which names new documents sign otherwise than the current ones, for the journal: role by role.
 * Targets that are signed with another hash than SHA-256 only are left out.
 */
export function tagChanges(
  trust: Readable,
  gun: Gun,
  head: Head | undefined,
  documents: readonly Metadata[],
): TagChange[] {
  const changes: TagChange[] = []
  for (const document of documents) {
    const { role } = document
    if (!isTargetsRole(role)) continue
    const old = digests(head === undefined ? undefined : loadCurrent(trust, gun, head, role))
    const now = digests(document)
    for (const [tag, to] of now) {
      const from = old.get(tag) ?? null
      if (from !== to) changes.push({ role, tag, from, to })
    }
    for (const [tag, from] of old) if (!now.has(tag)) changes.push({ role, tag, from, to: null })
  }
  return changes
}

function digests(metadata: Metadata | undefined): Map<string, string> {
  if (metadata === undefined) return new Map()
  return new Map(
    targetEntries(metadata).flatMap(({ name, sha256 }) => (sha256 === undefined ? [] : [[name, sha256] as const])),
  )
}
