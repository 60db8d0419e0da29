import type { Json, JsonObject } from './json/json.ts'
import { NOTHING } from './json/members.ts'
import { sameJson } from './json/same.ts'
import type { Metadata } from './metadata.ts'

/** An entry of `targets` that two documents of a role have differently; undefined: one has none of this name. */
interface TargetChange {
  readonly name: string
  readonly from: Json | undefined
  readonly to: Json | undefined
}

interface Comparison {
  /** SHA-256 of the earlier document, not the document: that has a comparison of its own, and so on without end. */
  readonly before: string | undefined
  readonly changes: readonly TargetChange[]
}

/** What was compared with what last: a publish asks twice. */
const compared = new WeakMap<Metadata, Comparison>()

/**
 * What a document says otherwise than the one before it, in no particular order. Of thousands of entries a publish
 * changes a few, and only these have to be looked at.
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

/** Names outside which both are the same, if both were read against the same version. */
function differingNames({ read }: Metadata, before: Metadata | undefined): Iterable<string> | undefined {
  const other = before?.read
  if (read === undefined || read.base !== other?.base) return undefined
  return new Set([...read.differing, ...other.differing])
}

function allNames(entries: JsonObject, old: JsonObject): Iterable<string> {
  return [...Object.keys(entries), ...Object.keys(old).filter((name) => entries[name] === undefined)]
}

/** The member `targets`; a document without one has no targets. */
function entriesOf({ signed: { targets } }: Metadata): JsonObject {
  return typeof targets !== 'object' || targets === null || Array.isArray(targets) ? NOTHING : (targets as JsonObject)
}
