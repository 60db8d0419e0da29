import type { JsonObject } from './json/json.ts'
import { keyId, type PublicKey } from './keys/key.ts'
import { RELEASES, type DelegationRole } from './role.ts'

/** One entry of `delegations.roles`, as it stands in metadata whose structure was checked. */
interface Entry extends JsonObject {
  readonly name: string
  readonly keyids: readonly string[]
}

/**
 * Delegations in which a delegate may sign, as `docker trust signer add` makes them: all tags, in a role of the delegate's
 * own and in `targets/releases`. Where there are such roles already they get the keys, and stay as they are otherwise.
 *
 * @param delegations of the current document
 * @returns undefined if nothing would be another than before
 */
export function withDelegate(
  delegations: JsonObject,
  role: DelegationRole,
  keys: readonly PublicKey[],
): JsonObject | undefined {
  const added = new Map(keys.map((key) => [keyId(key), key]))
  const entries = entriesOf(delegations)
  let changed = false
  for (const name of new Set([role, RELEASES])) {
    const at = entries.findIndex((entry) => entry.name === name)
    const entry = entries[at] ?? { name, keyids: [], paths: [''], threshold: 1 }
    const missing = [...added.keys()].filter((id) => !entry.keyids.includes(id))
    if (missing.length === 0) continue
    changed = true
    entries.splice(at < 0 ? entries.length : at, 1, { ...entry, keyids: [...entry.keyids, ...missing] })
  }
  if (!changed) return undefined
  const written = [...added].map(([id, { keytype, public: text }]) => {
    return [id, { keytype, keyval: { private: null, public: text } }] as const
  })
  return { keys: { ...(delegations['keys'] as JsonObject | null), ...Object.fromEntries(written) }, roles: entries }
}

/**
 * Delegations in which a delegate has some of their keys no more. A key stays in `targets/releases` as long as another
 * delegation has it; a role of which no key is left goes.
 *
 * @param gone ids of keys, as metadata names them
 * @returns undefined if nothing would be another than before
 */
export function withoutDelegate(
  delegations: JsonObject,
  role: DelegationRole,
  gone: readonly string[],
): JsonObject | undefined {
  const entries = entriesOf(delegations)
  const own = entries.find(({ name }) => name === role)
  if (own === undefined || (own.keyids.length > 0 && gone.length === 0)) return undefined
  const kept = entries.flatMap((entry) => (entry === own ? without(own, gone) : [entry]))
  const elsewhere = new Set(kept.filter(({ name }) => name !== RELEASES).flatMap(({ keyids }) => keyids))
  const orphans = gone.filter((id) => !elsewhere.has(id))
  const roles = kept.flatMap((entry) => (entry.name === RELEASES ? without(entry, orphans) : [entry]))
  const named = new Set(roles.flatMap(({ keyids }) => keyids))
  const keys = Object.entries((delegations['keys'] ?? {}) as JsonObject).filter(([id]) => named.has(id))
  return { keys: Object.fromEntries(keys), roles }
}

function without(entry: Entry, ids: readonly string[]): Entry[] {
  const keyids = entry.keyids.filter((id) => !ids.includes(id))
  return keyids.length === 0 ? [] : [{ ...entry, keyids }]
}

/** Go writes lists that are empty as null. */
function entriesOf(delegations: JsonObject): Entry[] {
  const entries = (delegations['roles'] ?? []) as (JsonObject & { name: string; keyids?: string[] | null })[]
  return entries.map((entry) => ({ ...entry, keyids: entry.keyids ?? [] }))
}
