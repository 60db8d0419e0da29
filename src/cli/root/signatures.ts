import type { KeyObject } from 'node:crypto'
import type { RootKey } from '../../admin/root-keys.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import { anyRootKeyId, signAsRoot } from '../../signing/root-key.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { canonicalBytes } from '../../tuf/json/canonical.ts'
import type { RootKeyring } from './keyring.ts'
import { rootKeyNamed } from './known-keys.ts'

/** Signs a staged root with a root key, once for each of its certificates that the former or the new root names. */
export function signaturesBy(key: KeyObject, { payload, former, own }: StagedRootDescription): EncodedSignature[] {
  const keyId = anyRootKeyId(key)
  const named = [...(former?.keys ?? []), ...own.keys].filter((each) => each.keyId === keyId)
  const message = canonicalBytes(payload)
  return [...new Set(named.map(({ id }) => id))].map((keyid) => ({ keyid, ...signAsRoot(key, message) }))
}

/** Returns the root keys with these names; by default all that are sealed here, open ones first. */
export async function signersOf(keyring: RootKeyring, names?: readonly string[]): Promise<RootKey[]> {
  const records = await keyring.records()
  if (names !== undefined) return names.map((name) => rootKeyNamed(records, name))
  const here = records.filter(({ sealed }) => sealed !== null)
  return here.toSorted((one, other) => Number(keyring.isOpen(other.name)) - Number(keyring.isOpen(one.name)))
}

/** @throws TrustError INVALID_PARAMETERS if none of these keys can sign the staged root */
export function mustIncludeSigner({ gun, former, own }: StagedRootDescription, chosen: readonly RootKey[]): void {
  const wanted = new Set([...(former?.keys ?? []), ...own.keys].map(({ keyId }) => keyId))
  if (chosen.some(({ keyId }) => wanted.has(keyId))) return
  const names = chosen.map(({ name }) => name).join(', ')
  throw new TrustError('INVALID_PARAMETERS', `no root key of ${gun} is among those to sign with: ${names}`, {
    hint: `"countersign root show ${shellQuoted(gun)}" shows which keys are needed`,
  })
}

/**
 * True if a signature by this key would help the former or the new root reach its threshold.
 *
 * @param others keys that will sign too
 */
export function isSignatureNeeded(
  { former, own }: StagedRootDescription,
  keyId: string,
  others: ReadonlySet<string> = new Set(),
): boolean {
  return [former, own].some((need) => {
    if (need === undefined) return false
    const signing = need.keys.filter((key) => key.signed || others.has(key.keyId))
    const signers = new Set(signing.map((key) => key.keyId))
    return signers.size < need.threshold && !signers.has(keyId) && need.keys.some((key) => key.keyId === keyId)
  })
}
