import { damageIn } from '../errors.ts'
import type { Head, TagChange } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Json, JsonObject } from '../tuf/json.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isTargetsRole, type Role } from '../tuf/role.ts'
import { targetChanges } from '../tuf/target-changes.ts'
import { recallCurrent } from './current.ts'
import type { Trust } from './trust.ts'

/**
 * Which names new documents sign otherwise than the current ones, for the journal: role by role.
 * Targets that are signed with another hash than SHA-256 only are left out.
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
    const before = head && readable(trust, gun, head, role)
    return targetChanges(document, before).flatMap(({ name: tag, from: old, to: now }): TagChange[] => {
      const [from, to] = [digestOf(old), digestOf(now)]
      return from === to ? [] : [{ role, tag, from, to }]
    })
  })
}

/** What is damaged does not stand in the way of what takes its place: then all that it signs counts as changed. */
function readable(trust: Trust, gun: Gun, head: Head, role: Role): Metadata | undefined {
  try {
    return recallCurrent(trust, gun, head, role)
  } catch (error) {
    damageIn(error)
    return undefined
  }
}

/** Hex; null for what is not signed, or not with SHA-256. */
function digestOf(entry: Json | undefined): string | null {
  const sha256 = (entry as { readonly hashes: JsonObject } | undefined)?.hashes['sha256']
  return typeof sha256 === 'string' ? Buffer.from(sha256, 'base64').toString('hex') : null
}
