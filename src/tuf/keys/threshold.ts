import type { Fail } from '../json/members.ts'
import type { Metadata } from '../metadata.ts'
import { signedAsWritten } from '../signed-as-written.ts'
import type { PublicKey } from './key.ts'
import { keyPairId, verifySignature } from './signature.ts'

/** Whose signatures a role needs: its keys by key id, and how many of them. */
export interface RoleKeys {
  readonly keys: ReadonlyMap<string, PublicKey>
  readonly threshold: number
}

/**
 * How many distinct keys of the role have signed this document validly (wire spec §6.1).
 *
 * Counted are key pairs, not ids: a key listed twice, signing twice, or filed both plain and as a certificate counts
 * once (GHSA-3633-5h82-39pq, GHSA-pwqf-9h7j-7mv8). Signatures by unknown keys or that do not verify are skipped, and
 * a verifier that *crashes* throws: a bug of ours never reads as "bad signature".
 *
 * @param keys of the role, each under its own id: `usedKey` and `rootKeys` see to that
 */
export function countSigners(metadata: Metadata, keys: RoleKeys['keys']): number {
  const signers = new Set<string>()
  for (const { keyid, method, sig } of metadata.signatures) {
    const key = keys.get(keyid)
    if (key !== undefined && verifySignature(key, method, sig, metadata.message())) signers.add(keyPairId(key))
  }
  return signers.size
}

/** @param fail called when there is no signature at all, or fewer valid ones than the threshold */
export function checkThreshold(metadata: Metadata, role: RoleKeys, fail: Fail): void {
  if (metadata.signatures.length === 0) fail('tuf: data has no signatures')
  if (role.threshold < 1 || countSigners(metadata, role.keys) < role.threshold) {
    fail(`valid signatures did not meet threshold for ${metadata.role}${whyNotValid(metadata, role.keys)}`)
  }
}

/** Notary's words leave out what helps whoever gave `notary add --custom` a file that it cannot sign rightly. */
function whyNotValid(metadata: Metadata, keys: RoleKeys['keys']): string {
  const written = signedAsWritten(metadata)
  if (written === undefined || countSigners({ ...metadata, message: () => written }, keys) === 0) return ''
  const otherwise = 'they are over the text as it stands, and clients verify its canonical form'
  return `: ${otherwise}: custom data must have sorted members, no escapes, and none of < > &`
}

/** How many different key pairs are among these keys. */
export function distinctKeys(keys: Iterable<PublicKey>): number {
  return new Set([...keys].map(keyPairId)).size
}
