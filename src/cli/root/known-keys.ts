import { listRootKeys, noSuchRootKey, type RootKey } from '../../admin/root-keys.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import type { Connection } from '../connection/connection.ts'
import { isDamaged } from '../list.ts'

/** A root key that has a name here. */
export interface KnownRootKey {
  readonly keyId: string
  readonly name: string
  readonly holder: 'sealed here' | 'offline'
}

/** Returns the root keys that can be read, by each of their names. */
export async function namedRootKeys(connection: Connection): Promise<RootKey[]> {
  const rows = await connection.call(listRootKeys, {})
  return rows.filter((row): row is RootKey => !isDamaged(row))
}

/** @throws TrustError NOT_FOUND */
export function rootKeyNamed(records: readonly RootKey[], name: string): RootKey {
  const hint = `"countersign root list" prints all; "countersign root create ${shellQuoted(name)}" makes one`
  return records.find((each) => each.name === name) ?? noSuchRootKey(name, hint)
}

/** Sorts keys that are sealed here first, for keys that have two names. */
export function sealedHereFirst(records: readonly RootKey[]): RootKey[] {
  return records.toSorted((one, other) => Number(one.sealed === null) - Number(other.sealed === null))
}

/** Returns each root key once. */
export async function knownRootKeys(connection: Connection): Promise<KnownRootKey[]> {
  const found = new Map<string, KnownRootKey>()
  for (const { keyId, name, sealed } of sealedHereFirst(await namedRootKeys(connection))) {
    if (!found.has(keyId)) found.set(keyId, { keyId, name, holder: sealed === null ? 'offline' : 'sealed here' })
  }
  return [...found.values()]
}

/**
 * Describes whose key that is, by the name that `--root-key` takes.
 *
 * @param otherwise for a key without a name
 */
export function knownKeyText(keyId: string, known: readonly KnownRootKey[], otherwise = '(not here)'): string {
  const found = known.find((each) => each.keyId === keyId)
  if (found === undefined) return otherwise
  return found.holder === 'offline' ? `${found.name} (offline)` : found.name
}
