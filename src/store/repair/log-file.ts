import { checkedBytes, recordsIn, type LogRecord } from '../leveldb/write-ahead-log.ts'
import { turnBack, writeChecksum, type MendedFile } from './mended-file.ts'

/**
 * Returns a copy of a log in which single flipped bits are turned back. A record with more damage gets the checksum of its
 * damaged bytes, so that LevelDB reads it anyway: then only our records in it are damaged, instead of everything after it
 * being lost. Not so for the last record, which a crash may have torn. Only for a view, whose readers check every record
 * against its own hash.
 */
export function withMatchingChecksums(log: Buffer): MendedFile {
  const bytes = Buffer.from(log)
  let bits = 0
  let before: LogRecord | undefined
  for (const record of recordsIn(log)) {
    // A whole record right after it proves that its length is right.
    if (record.isWhole && before?.isWhole === false && before.next === record.at) {
      const [from, to] = checkedBytes(log, before.at)
      if (turnBack(bytes, from, to, before.at)) bits += 1
      else writeChecksum(bytes, from, to, before.at)
    }
    before = record
  }
  // No record follows the last one, but the file may end exactly where it does.
  if (before?.isWhole === false) {
    const [from, to] = checkedBytes(log, before.at)
    if (to === log.length && turnBack(bytes, from, to, before.at)) bits += 1
  }
  return { bytes, bits }
}
