import type { RootKey } from '../../admin/root-keys.ts'
import { sealedHereFirst } from './authority.ts'

/** A root key that has a name here. */
export interface KnownRootKey {
  readonly keyId: string
  readonly name: string
  readonly holder: 'sealed here' | 'offline'
}

/** Returns each root key once. */
export function knownRootKeys(records: readonly RootKey[]): KnownRootKey[] {
  const found = new Map<string, KnownRootKey>()
  for (const { keyId, name, sealed } of sealedHereFirst(records)) {
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
