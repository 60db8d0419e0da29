import type { Json, JsonObject } from './json.ts'
import type { Metadata } from './metadata.ts'
import { once } from './once.ts'
import { sameJson } from './same-json.ts'

/** An entry of `targets` that two documents of a role have differently; undefined: one has none of this name. */
export interface TargetChange {
  readonly name: string
  readonly from: Json | undefined
  readonly to: Json | undefined
}

/** The member `targets`, as it stands there; a document without one has no targets. */
interface Entries {
  readonly object: JsonObject
  readonly names: readonly string[]
  readonly values: readonly Json[]
}

const NOTHING: JsonObject = Object.freeze(Object.create(null) as JsonObject)
const NO_ENTRIES: Entries = { object: NOTHING, names: [], values: [] }

const entriesOf = once(({ signed: { targets } }: Metadata): Entries => {
  if (typeof targets !== 'object' || targets === null || Array.isArray(targets)) return NO_ENTRIES
  const object = targets as JsonObject
  return { object, names: Object.keys(object), values: Object.values(object) }
})

/** What was compared with what last: a publish asks twice. */
const compared = new WeakMap<Metadata, { readonly before: Metadata | undefined; readonly changes: TargetChange[] }>()

/**
 * What a document says otherwise than the one before it. Of thousands of entries a publish changes a few, and only these
 * have to be looked at.
 */
export function targetChanges(after: Metadata, before: Metadata | undefined): readonly TargetChange[] {
  const known = compared.get(after)
  if (known !== undefined && known.before === before) return known.changes
  const changes = compare(entriesOf(after), before === undefined ? NO_ENTRIES : entriesOf(before))
  compared.set(after, { before, changes })
  return changes
}

/** Side by side as long as the names are the same, which is quicker than looking each one up. */
function compare(after: Entries, before: Entries): TargetChange[] {
  const changes: TargetChange[] = []
  let common = 0
  let at = 0
  for (const [index, name] of after.names.entries()) {
    if (before.names[at] !== name && before.names[at + 1] === name) at += 1
    const beside = before.names[at] === name
    const from = beside ? before.values[at] : before.object[name]
    if (beside) at += 1
    if (from !== undefined) common += 1
    const to = after.values[index]
    if (from === undefined || !sameJson(to, from)) changes.push({ name, from, to })
  }
  if (common < before.names.length) {
    for (const [index, name] of before.names.entries()) {
      if (after.object[name] === undefined) changes.push({ name, from: before.values[index], to: undefined })
    }
  }
  return changes
}
