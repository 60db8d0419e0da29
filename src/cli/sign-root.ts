import type { KeyObject } from 'node:crypto'
import { publishRoot, showStagedRoot, signRoot } from '../admin/roots.ts'
import type { StagedRootDescription } from '../repository/staged-root.ts'
import { rootKeyId, rootPublicKey, signAsRoot } from '../signing/root-key.ts'
import { canonicalBytes } from '../tuf/canonical.ts'
import type { EncodedSignature } from '../tuf/encode.ts'
import type { Connection } from './connect.ts'
import type { RootKeyring } from './root-keys.ts'

/** Signatures of a root key over a staged root: one for each certificate of it that the former or the new root names. */
export function signaturesBy(key: KeyObject, { payload, former, own }: StagedRootDescription): EncodedSignature[] {
  const keyId = rootKeyId(rootPublicKey(key))
  const named = [...(former?.keys ?? []), ...own.keys].filter((each) => each.keyId === keyId)
  const message = canonicalBytes(payload)
  return [...new Set(named.map(({ id }) => id))].map((keyid) => {
    return { keyid, method: 'ecdsa', sig: signAsRoot(key, message) }
  })
}

/**
 * Sign the staged root of a repository with every root key that is stored, sealed, and still needed; publish it if that
 * is enough.
 *
 * @returns the staged root as it is then, and the new version if it was published
 */
export async function signAndPublish(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
): Promise<{ staged: StagedRootDescription; version: number | undefined }> {
  let staged = await connection.call(showStagedRoot, { gun })
  const records = (await keyring.records()).filter(({ sealed }) => sealed !== null)
  for (const record of records) {
    if (staged.complete || !isWanted(staged, record.keyId)) continue
    const { key } = await keyring.open(record.name)
    staged = await connection.call(signRoot, { gun, signatures: signaturesBy(key, staged) })
  }
  if (!staged.complete) return { staged, version: undefined }
  const { version } = await connection.call(publishRoot, { gun })
  return { staged, version }
}

/** True if a signature by this key would bring the former or the new root nearer to its threshold. */
function isWanted({ former, own }: StagedRootDescription, keyId: string): boolean {
  return [former, own].some((need) => {
    if (need === undefined) return false
    const signers = new Set(need.keys.filter(({ signed }) => signed).map((key) => key.keyId))
    return signers.size < need.threshold && !signers.has(keyId) && need.keys.some((key) => key.keyId === keyId)
  })
}
