import type { Checksums } from './checksum.ts'
import type { Json, JsonObject } from './json/json.ts'
import { bytesOf, integerOf, objectOf, refuseUnreadableHashes, refuseVariants, type Fail } from './json/members.ts'

/** What a snapshot or timestamp says about another document; the hashes as `Checksums` writes them. */
export interface FileMeta {
  /** In hex. */
  readonly sha256: string | undefined
  /** In standard base64. */
  readonly sha512: string | undefined
  /** Bytes. */
  readonly length: number
}

/** Decodes one entry of `meta` (wire spec §11.1, META). */
export function parseFileMeta(value: Json | undefined, where: string, fail: Fail): FileMeta {
  const entry = objectOf(value, where, fail)
  refuseVariants(entry, ['hashes', 'length', 'custom'], where, fail)
  const hashes = objectOf(entry['hashes'], `hashes of ${where}`, fail)
  refuseUnreadableHashes(hashes, ['sha256', 'sha512'], where, fail)
  return {
    sha256: hash(hashes, 'sha256', 32, where, fail)?.toString('hex'),
    sha512: hash(hashes, 'sha512', 64, where, fail)?.toString('base64'),
    length: integerOf(entry['length'] ?? 0, `length of ${where}`, fail),
  }
}

function hash(hashes: JsonObject, algorithm: string, bytes: number, where: string, fail: Fail): Buffer | undefined {
  const value = hashes[algorithm]
  if (value === undefined) return undefined
  const decoded = bytesOf(value, `${algorithm} of ${where}`, fail)
  if (decoded.length !== bytes) fail(`invalid ${where} checksum information, ${algorithm} checksum invalid`)
  return decoded
}

/** Returns the `meta` entry for a document with these checksums. */
export function fileMetaOf(checksums: Checksums): JsonObject {
  const sha256 = Buffer.from(checksums.sha256, 'hex').toString('base64')
  return { hashes: { sha256, sha512: checksums.sha512 }, length: checksums.length }
}

/**
 * Says why an entry does not fit the stored or just uploaded bytes: it must have at least one hash, all its hashes must
 * match, and so must its length, since clients read exactly that many bytes (wire spec §6.5, §14.3).
 *
 * @returns undefined if it fits
 */
export function fileMetaFault(meta: FileMeta, checksums: Checksums, role: string): string | undefined {
  if (meta.sha256 === undefined && meta.sha512 === undefined) {
    return `no checksums for supported algorithms were provided for ${role}`
  }
  if (meta.sha256 !== undefined && meta.sha256 !== checksums.sha256) {
    return `sha256 checksum for ${role} did not match: expected ${meta.sha256}`
  }
  if (meta.sha512 !== undefined && meta.sha512 !== checksums.sha512) {
    return `sha512 checksum for ${role} did not match: expected ${Buffer.from(meta.sha512, 'base64').toString('hex')}`
  }
  if (meta.length === checksums.length) return undefined
  return `length of ${role} did not match: expected ${meta.length} bytes, the file has ${checksums.length}`
}

/** Checks an entry as `fileMetaFault` does. @param fail called if it does not fit */
export function checkFileMeta(meta: FileMeta, checksums: Checksums, role: string, fail: Fail): void {
  const fault = fileMetaFault(meta, checksums, role)
  if (fault !== undefined) fail(fault)
}
