import type { Json, JsonObject } from './json/json.ts'
import { NOTHING } from './json/members.ts'
import { sameJson } from './json/same.ts'
import type { Metadata } from './metadata.ts'

/** An entry of `targets` that differs between two documents of a role; undefined where a document lacks it. */
interface TargetChange {
  readonly name: string
  readonly from: Json | undefined
  readonly to: Json | undefined
}

interface Comparison {
  /** SHA-256 of the earlier document. The document itself would keep its own comparison alive, and so on back. */
  readonly before: string | undefined
  readonly changes: readonly TargetChange[]
}

/** The last comparison of each document, since a publish asks for it twice. */
const compared = new WeakMap<Metadata, Comparison>()

/**
 * Returns the entries that differ from the previous document, in no particular order. A publish changes a few of
 * thousands of entries, and only those need checking.
 */
export function targetChanges(after: Metadata, before: Metadata | undefined): readonly TargetChange[] {
  const known = compared.get(after)
  if (known !== undefined && known.before === before?.checksums.sha256) return known.changes
  const changes = compare(after, before)
  compared.set(after, { before: before?.checksums.sha256, changes })
  return changes
}

function compare(after: Metadata, before: Metadata | undefined): TargetChange[] {
  const [entries, old] = [entriesOf(after), before === undefined ? NOTHING : entriesOf(before)]
  const changes: TargetChange[] = []
  for (const name of differingNames(after, before) ?? allNames(entries, old)) {
    const [from, to] = [old[name], entries[name]]
    if (!sameJson(from, to)) changes.push({ name, from, to })
  }
  return changes
}

/** Returns all names whose entries may differ; undefined unless both documents were read against the same version. */
function differingNames({ read }: Metadata, before: Metadata | undefined): Iterable<string> | undefined {
  const other = before?.read
  if (read === undefined || read.base !== other?.base) return undefined
  return new Set([...read.differing, ...other.differing])
}

function allNames(entries: JsonObject, old: JsonObject): Iterable<string> {
  return [...Object.keys(entries), ...Object.keys(old).filter((name) => entries[name] === undefined)]
}

/** Returns the member `targets`, or an empty object for a document without one. */
function entriesOf({ signed: { targets } }: Metadata): JsonObject {
  return typeof targets !== 'object' || targets === null || Array.isArray(targets) ? NOTHING : (targets as JsonObject)
}
