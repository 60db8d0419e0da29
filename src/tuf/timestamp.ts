import { refuse } from '../errors.ts'
import type { Checksums } from './checksum.ts'
import { fileMetaOf, parseFileMeta, type FileMeta } from './file-meta.ts'
import type { JsonObject } from './json/json.ts'
import { objectOf, refuseUnknown, type Fail } from './json/members.ts'
import { checkTypeAndVersion, type Metadata } from './metadata.ts'
import { formatTime } from './time.ts'

const badTimestamp: Fail = (text) => refuse('ErrValidation', text)

/**
 * Check a timestamp's structure and return what it says of the snapshot. No publisher sends any: this is for what is stored
 * already, here or on a server that a repository is adopted from.
 *
 * @throws TrustError INVALID_UPDATE, ErrValidation
 */
export function parseTimestamp(metadata: Metadata): FileMeta {
  checkTypeAndVersion(metadata, 'Timestamp', badTimestamp)
  const meta = objectOf(metadata.signed['meta'], 'timestamp "meta"', badTimestamp)
  refuseUnknown(meta, ['snapshot'], 'timestamp "meta"', badTimestamp)
  return parseFileMeta(meta['snapshot'], 'snapshot', badTimestamp)
}

/**
 * The payload of a timestamp (wire spec §6.7).
 *
 * @param expires milliseconds since 1970
 */
export function timestampPayload(version: number, expires: number, snapshot: Checksums): JsonObject {
  return { _type: 'Timestamp', expires: formatTime(expires), meta: { snapshot: fileMetaOf(snapshot) }, version }
}
