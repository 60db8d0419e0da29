import type { Head, TagChange } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isTargetsRole } from '../tuf/role.ts'
import { once } from '../tuf/once.ts'
import { targetEntries } from '../tuf/targets.ts'
import { recallCurrent } from './current.ts'
import type { Readable } from './trust.ts'

const NOTHING: ReadonlyMap<string, string> = new Map()

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
    const before = head && recallCurrent(trust, gun, head, role)
    const old = before === undefined ? NOTHING : digests(before)
    const now = digests(document)
    for (const [tag, to] of now) {
      const from = old.get(tag)
      if (from !== to) changes.push({ role, tag, from: hex(from), to: hex(to) })
    }
    for (const [tag, from] of old) if (!now.has(tag)) changes.push({ role, tag, from: hex(from), to: null })
  }
  return changes
}

function hex(base64: string | undefined): string | null {
  return base64 === undefined ? null : Buffer.from(base64, 'base64').toString('hex')
}

/** Base64. */
const digests = once((metadata: Metadata): ReadonlyMap<string, string> => {
  return new Map(
    targetEntries(metadata).flatMap(({ name, sha256Base64: sha256 }) =>
      sha256 === undefined ? [] : [[name, sha256] as const],
    ),
  )
})
