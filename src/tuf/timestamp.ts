import { refuse } from '../errors.ts'
import type { Checksums } from './checksum.ts'
import { fileMetaOf, parseFileMeta, type FileMeta } from './file-meta.ts'
import type { JsonObject } from './json/json.ts'
import { objectOf, refuseUnknown, type Fail } from './json/members.ts'
import { checkTypeAndVersion, type Metadata } from './metadata.ts'
import { formatTime } from './time.ts'

const badTimestamp: Fail = (text) => refuse('ErrValidation', text)

/**
 * Checks a timestamp's structure and returns its entry for the snapshot. Publishers never send timestamps; this reads
 * those stored here or on a server from which a repository is adopted.
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
 * Returns the payload of a timestamp (wire spec §6.7).
 *
 * @param expires milliseconds since 1970
 */
export function timestampPayload(version: number, expires: number, snapshot: Checksums): JsonObject {
  return { _type: 'Timestamp', expires: formatTime(expires), meta: { snapshot: fileMetaOf(snapshot) }, version }
}
