import type { Fail } from '../json/members.ts'
import type { Metadata } from '../metadata.ts'
import type { PublicKey } from './key.ts'
import { keyPairId, verifySignature } from './signature.ts'

/** The keys of a role by key id, and how many of them must sign. */
export interface RoleKeys {
  readonly keys: ReadonlyMap<string, PublicKey>
  readonly threshold: number
}

/**
 * Counts the distinct keys of the role with a valid signature on this document (wire spec §6.1).
 *
 * Counts key pairs, not ids: a key listed twice, signing twice, or listed both bare and as a certificate counts once
 * (GHSA-3633-5h82-39pq, GHSA-pwqf-9h7j-7mv8). Skips invalid signatures and those by unknown keys. A verifier that
 * *crashes* throws: a bug of ours never counts as a bad signature.
 *
 * @param keys of the role, each under its own id, as `checkUsedKey` and `rootKeys` ensure
 */
export function countSigners(metadata: Metadata, keys: RoleKeys['keys']): number {
  const signers = new Set<string>()
  for (const { keyid, method, sig } of metadata.signatures) {
    const key = keys.get(keyid)
    if (key !== undefined && verifySignature(key, method, sig, metadata.message())) signers.add(keyPairId(key))
  }
  return signers.size
}

/** Says why too few keys of the role have signed; undefined if enough have. */
export function thresholdFault(metadata: Metadata, { keys, threshold }: RoleKeys): string | undefined {
  if (metadata.signatures.length === 0) return 'tuf: data has no signatures'
  if (threshold >= 1 && countSigners(metadata, keys) >= threshold) return undefined
  return `valid signatures did not meet threshold for ${metadata.role}${whyNotValid(metadata, keys)}`
}

/** Checks that enough keys of the role have signed. @param fail called if there are fewer valid signatures than needed */
export function checkThreshold(metadata: Metadata, role: RoleKeys, fail: Fail): void {
  const fault = thresholdFault(metadata, role)
  if (fault !== undefined) fail(fault)
}

/** Explains, as Notary's words do not, that `notary add --custom` signed custom data in a form that no client verifies. */
function whyNotValid(metadata: Metadata, keys: RoleKeys['keys']): string {
  const written = signedAsWritten(metadata)
  if (written === undefined || countSigners({ ...metadata, message: () => written }, keys) === 0) return ''
  const otherwise = 'they are over the text as it stands, and clients verify its canonical form'
  return `: ${otherwise}: custom data must have sorted members, no escapes, and none of < > &`
}

const BEFORE = Buffer.from('{"signed":')
const BEHIND = Buffer.from(',"signatures":')

/**
 * Returns the bytes of `signed` as a Go client wrote them, if they are not canonical. notary signs custom data as they
 * are in its file, with unsorted members and escapes; no client can verify such a signature (wire spec §12).
 *
 * @returns undefined if `signed` is canonical, or if another program wrote the document
 */
function signedAsWritten({ bytes, message }: Metadata): Uint8Array | undefined {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = document.lastIndexOf(BEHIND)
  if (end === -1 || !document.subarray(0, BEFORE.length).equals(BEFORE)) return undefined
  const written = document.subarray(BEFORE.length, end)
  return written.equals(message()) ? undefined : written
}

/** Counts the different key pairs among these keys. */
export function distinctKeys(keys: Iterable<PublicKey>): number {
  return new Set([...keys].map(keyPairId)).size
}
