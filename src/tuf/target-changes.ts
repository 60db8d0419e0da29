import type { Json, JsonObject } from './json.ts'
import type { Metadata } from './metadata.ts'
import { sameJson } from './same-json.ts'

/** An entry of `targets` that two documents of a role have differently; undefined: one has none of this name. */
export interface TargetChange {
  readonly name: string
  readonly from: Json | undefined
  readonly to: Json | undefined
}

const NOTHING: JsonObject = Object.freeze(Object.create(null) as JsonObject)

interface Comparison {
  /** SHA-256 of the earlier document, not the document: that has a comparison of its own, and so on without end. */
  readonly before: string | undefined
  readonly changes: readonly TargetChange[]
  /** Entries of the later document. */
  readonly count: number
}

/** What was compared with what last: a publish asks twice, and the next one asks how many there were. */
const compared = new WeakMap<Metadata, Comparison>()

/**
 * What a document says otherwise than the one before it. Of thousands of entries a publish changes a few, and only these
 * have to be looked at.
 */
export function targetChanges(after: Metadata, before: Metadata | undefined): readonly TargetChange[] {
  const known = compared.get(after)
  if (known !== undefined && known.before === before?.checksums.sha256) return known.changes
  const comparison = compare(after, before)
  compared.set(after, comparison)
  return comparison.changes
}

function compare(after: Metadata, before: Metadata | undefined): Comparison {
  const entries = entriesOf(after)
  const old = before === undefined ? NOTHING : entriesOf(before)
  const changes: TargetChange[] = []
  let count = 0
  let common = 0
  for (const name in entries) {
    const to = entries[name]
    const from = old[name]
    count += 1
    if (from !== undefined) common += 1
    if (from === undefined || !sameJson(to, from)) changes.push({ name, from, to })
  }
  if (before !== undefined && common < countOf(before, old)) {
    for (const name in old) if (entries[name] === undefined) changes.push({ name, from: old[name], to: undefined })
  }
  return { before: before?.checksums.sha256, changes, count }
}

/** The member `targets`; a document without one has no targets. */
function entriesOf({ signed: { targets } }: Metadata): JsonObject {
  return typeof targets !== 'object' || targets === null || Array.isArray(targets) ? NOTHING : (targets as JsonObject)
}

function countOf(metadata: Metadata, entries: JsonObject): number {
  return compared.get(metadata)?.count ?? Object.keys(entries).length
}
