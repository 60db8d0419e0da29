import type { JsonObject } from './json/json.ts'
import { keyEntry, keyId, type PublicKey } from './keys/key.ts'
import { RELEASES, type DelegationRole } from './role.ts'

/** One entry of `delegations.roles`, from metadata whose structure has been checked. */
interface Entry extends JsonObject {
  readonly name: string
  readonly keyids: readonly string[]
}

/**
 * Adds a delegate as `docker trust signer add` does: the keys may sign all tags, in the delegate's own role and in
 * `targets/releases`. Roles that exist already only gain the keys.
 *
 * @param delegations of the current document
 * @returns the new delegations, or undefined if nothing would change
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
  const written = [...added].map(([id, key]) => [id, keyEntry(key)] as const)
  return { keys: { ...(delegations['keys'] as JsonObject | null), ...Object.fromEntries(written) }, roles: entries }
}

/**
 * Removes keys from a delegate's role. A key stays in `targets/releases` while another delegation has it. A role left
 * without keys is dropped.
 *
 * @param gone ids of the keys to remove, as metadata names them; all of the role's, or some
 * @returns the new delegations, or undefined if there is no such role
 */
export function withoutDelegate(
  delegations: JsonObject,
  role: DelegationRole,
  gone: readonly string[],
): JsonObject | undefined {
  const entries = entriesOf(delegations)
  const own = entries.find(({ name }) => name === role)
  if (own === undefined) return undefined
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

/** Returns the entries of `delegations.roles`. Go writes empty lists as null. */
function entriesOf(delegations: JsonObject): Entry[] {
  const entries = (delegations['roles'] ?? []) as (JsonObject & { name: string; keyids?: string[] | null })[]
  return entries.map((entry) => ({ ...entry, keyids: entry.keyids ?? [] }))
}
