import { checkedBytes, recordsIn, type LogRecord } from '../leveldb/write-ahead-log.ts'
import { turnBack, writeChecksum, type MendedFile } from './mended-file.ts'

/**
 * A copy of a log in which one bit that has changed in a record is turned back. Where more has, it gets the checksum of what
 * it is, so that LevelDB reads it too: then one of our records in it is damaged, instead of all that follows being lost. Not
 * so of the last one, which a crash may have torn. Only for a view in which every record is held against its own hash.
 */
export function withItsDamage(log: Buffer): MendedFile {
  const bytes = Buffer.from(log)
  let bits = 0
  let before: LogRecord | undefined
  for (const record of recordsIn(log)) {
    // Its length is right if a whole one is where it ends.
    if (record.isWhole && before?.isWhole === false && before.next === record.at) {
      const [from, to] = checkedBytes(log, before.at)
      if (turnBack(bytes, from, to, before.at)) bits += 1
      else writeChecksum(bytes, from, to, before.at)
    }
    before = record
  }
  // Behind the last one there is none, but the file may end where it does.
  if (before?.isWhole === false) {
    const [from, to] = checkedBytes(log, before.at)
    if (to === log.length && turnBack(bytes, from, to, before.at)) bits += 1
  }
  return { bytes, bits }
}
