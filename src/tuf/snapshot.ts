import { refuse } from '../errors.ts'
import type { Checksums } from './checksum.ts'
import { fileMetaOf, parseFileMeta, type FileMeta } from './file-meta.ts'
import type { JsonObject } from './json/json.ts'
import { objectOf, type Fail } from './json/members.ts'
import { checkTypeAndVersion, type Metadata } from './metadata.ts'
import { isDelegation } from './role.ts'
import { formatTime } from './time.ts'

/** A snapshot's entries for root, targets and each delegation. */
export type SnapshotMeta = ReadonlyMap<string, FileMeta>

/** Refuses an update because of its snapshot. */
export const badSnapshot: Fail = (text) => refuse('ErrBadSnapshot', text)

/**
 * Checks a snapshot's structure (wire spec §6.5): root and targets with a sha256 each, and only names of roles. Returns
 * its entries.
 *
 * @throws TrustError INVALID_UPDATE, ErrBadSnapshot
 */
export function parseSnapshot(metadata: Metadata): SnapshotMeta {
  checkTypeAndVersion(metadata, 'Snapshot', badSnapshot)
  const entries = objectOf(metadata.signed['meta'], 'snapshot "meta"', badSnapshot)
  const meta = new Map<string, FileMeta>()
  for (const [name, entry] of Object.entries(entries)) {
    if (name !== 'root' && name !== 'targets' && !isDelegation(name)) {
      badSnapshot(`snapshot names "${name.slice(0, 80)}", which is not a role that it can name`)
    }
    meta.set(name, parseFileMeta(entry, name, badSnapshot))
  }
  for (const role of ['root', 'targets']) {
    if (meta.get(role)?.sha256 === undefined) {
      badSnapshot(`snapshot type metadata invalid: missing ${role} sha256 checksum information`)
    }
  }
  return meta
}

/**
 * Returns the payload of a server-made snapshot (wire spec §6.6).
 *
 * @param files checksums of root, targets and every delegation, by role
 * @param expires milliseconds since 1970
 */
export function snapshotPayload(version: number, expires: number, files: Iterable<[string, Checksums]>): JsonObject {
  const meta = Object.create(null) as Record<string, JsonObject>
  for (const [role, checksums] of files) meta[role] = fileMetaOf(checksums)
  return { _type: 'Snapshot', expires: formatTime(expires), meta, version }
}
