import type { Json, JsonObject } from './json/json.ts'
import { sameJson } from './json/same.ts'
import { formatTime } from './time.ts'

/** A tag and the manifest that it should name. */
interface TagTarget {
  readonly tag: string
  /** Hex SHA-256 of the manifest. */
  readonly sha256: string
  /** Bytes of the manifest. */
  readonly length: number
}

/** Tags to sign, and tags to remove. */
export interface TargetsEdit {
  readonly set: readonly TagTarget[]
  /** Names of tags; unknown ones are ignored. */
  readonly remove: readonly string[]
}

/** The payload that the first document of targets or of a delegation follows. */
export const NO_TARGETS: JsonObject = {
  _type: 'Targets',
  delegations: { keys: {}, roles: [] },
  targets: {},
  version: 0,
}

/**
 * Returns the next payload of targets or of a delegation. Everything else in it stays as it is.
 *
 * @param current the current payload; undefined if the role has signed nothing yet
 * @param expires of the next document, milliseconds since 1970
 * @param floor the highest version that the role ever had: a role that was dropped and returns continues above it
 * @param anew make a new version even if no tag changes, to extend its life and sign it with the current keys
 * @returns undefined if nothing would change
 */
export function editTargets(
  current: JsonObject = NO_TARGETS,
  { set, remove }: TargetsEdit,
  expires: number,
  floor: number,
  anew: boolean,
): JsonObject | undefined {
  const before = (current['targets'] ?? {}) as JsonObject
  const targets = Object.create(null) as Record<string, Json>
  // Object.assign takes twice as long for thousands of tags, and leaves the collector more.
  for (const name in before) targets[name] = before[name]!
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
  const version = Math.max(Number(current['version']), floor) + 1
  return { ...current, expires: formatTime(expires), targets, version }
}
