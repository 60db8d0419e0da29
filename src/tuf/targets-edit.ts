import type { JsonObject } from './json/json.ts'
import { sameJson } from './json/same.ts'
import { formatTime } from './time.ts'

/** A tag and the manifest that it is to name. */
interface TagTarget {
  readonly tag: string
  /** Hex SHA-256 of the manifest. */
  readonly sha256: string
  /** Bytes of the manifest. */
  readonly length: number
}

/** Tags to sign, and tags to sign no more. */
export interface TargetsEdit {
  readonly set: readonly TagTarget[]
  /** Names; those that are not there are no mistake. */
  readonly remove: readonly string[]
}

/**
 * The next payload of targets or of a delegation. What is not edited stays as it is.
 *
 * @param current undefined: the role has signed nothing yet
 * @param expires of the next document, milliseconds since 1970
 * @param floor the highest version that the role ever had: one that was dropped and comes again goes on above it
 * @param anew make it also if all tags are so already: it lives longer then, and is signed by the keys of today
 * @returns undefined if nothing would be another than before
 */
export function editTargets(
  current: JsonObject | undefined,
  { set, remove }: TargetsEdit,
  expires: number,
  floor: number,
  anew: boolean,
): JsonObject | undefined {
  const before = (current?.['targets'] ?? {}) as JsonObject
  const targets: Record<string, JsonObject> = Object.assign(Object.create(null), before)
  let changed = false
  for (const name of remove) {
    changed ||= targets[name] !== undefined
    delete targets[name]
  }
  for (const { tag, sha256, length } of set) {
    // Exactly what docker writes: the manifest's sha256 only.
    const entry = { hashes: { sha256: Buffer.from(sha256, 'hex').toString('base64') }, length }
    if (sameJson(targets[tag], entry)) continue
    targets[tag] = entry
    changed = true
  }
  if (!changed && !anew) return undefined
  const rest = current ?? { _type: 'Targets', delegations: { keys: {}, roles: [] }, version: 0 }
  const version = Math.max(Number(rest['version']), floor) + 1
  return { ...rest, expires: formatTime(expires), targets, version }
}
