import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { isWhole } from './crc32c.ts'

/** LevelDB's log format (doc/log_format.md): blocks of fixed size, whose records never cross the end of a block. */
const BLOCK_BYTES = 32 * 1024
/** 4 bytes checksum, 2 bytes length, 1 byte type, little-endian; then the content. */
const HEADER_BYTES = 7
/** Record types: a whole batch, or the first or last part of one. 3 is a middle part. */
const FULL = 1
const FIRST = 2
const LAST = 4
/** A batch begins with its sequence number, which grows. */
const SEQUENCE_BYTES = 8

/**
 * Checks the logs before LevelDB opens them. At a damaged place LevelDB discards records, continues with what it can read
 * after that, and deletes the log: batches would be missing from the middle, which the end of the journal does not show.
 * A crash tears a log only at its very end, since each batch is on the disk before the next one is written.
 *
 * Logs hold only what is in no table yet, about 8 MB, however large the database is.
 *
 * @throws TrustError DATA_DAMAGED; nothing was changed
 * @throws Error if a log cannot be read: LevelDB would take that for its end
 */
export function mustHaveWholeLogs(directory: string): void {
  for (const name of readdirSync(directory).filter(isLog)) {
    const damaged = damagedPlace(readLog(join(directory, name)))
    if (damaged === undefined) continue
    const text = `the log ${name} of the database in ${directory} is damaged at byte ${damaged}, and goes on after it`
    throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
  }
}

/** True for LevelDB's logs only: somebody may have put a server's log beside them. */
export function isLog(name: string): boolean {
  return /^\d+\.log$/.test(name)
}

/** Reads a log. If it is gone, another process has the database open; opening the database will report that. */
function readLog(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** Returns where a log is damaged, or its sequence goes back, if batches follow that place; undefined if nowhere. */
function damagedPlace(log: Buffer): number | undefined {
  let bad: number | undefined
  let sequence = -1n
  for (const { at, isWhole, type, content } of recordsIn(log)) {
    if (!isWhole) {
      bad ??= at
      continue
    }
    if ((type === FULL || type === FIRST) && content.length >= SEQUENCE_BYTES) {
      const next = content.readBigUInt64LE()
      // A lower sequence is stale: the disk block held it before this file. LevelDB would take it for the newest.
      if (bad !== undefined || next < sequence) return bad ?? at
      sequence = next
    }
  }
  return undefined
}

/** Yields the batches of a log, up to the first unreadable place. LevelDB's list of its tables has this format, too. */
export function* wholeBatches(log: Buffer): IterableIterator<Buffer> {
  let parts: Buffer[] = []
  for (const { isWhole, type, content } of recordsIn(log)) {
    if (!isWhole) return
    if (type === FULL || type === FIRST) parts = []
    parts.push(content)
    if (type === FULL || type === LAST) yield Buffer.concat(parts)
  }
}

/** A place in a log where a record should be. */
export interface LogRecord {
  readonly at: number
  /** Where the next record begins, if the length of this one is right. */
  readonly next: number
  /** False if the record or its length is damaged: then type and content mean nothing. */
  readonly isWhole: boolean
  readonly type: number
  readonly content: Buffer
}

/** Yields all such places of a log, in order. */
export function* recordsIn(log: Buffer): IterableIterator<LogRecord> {
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const room = BLOCK_BYTES - (at % BLOCK_BYTES)
    const length = log.readUInt16LE(at + 4)
    const fits = length <= room - HEADER_BYTES
    const end = at + HEADER_BYTES + length
    const whole = fits && end <= log.length && isWhole(log, ...checkedBytes(log, at), at)
    const next = withoutTrailer(end)
    yield { at, next, isWhole: whole, type: log.readUInt8(at + 6), content: log.subarray(at + HEADER_BYTES, end) }
    // If the length may be right, the next record follows directly: a batch after this one in the same block counts, too.
    at = whole || (length > 0 && fits) ? next : at + room
  }
}

/** Skips the end of a block that has no room for a header; it is left empty. */
function withoutTrailer(at: number): number {
  const room = BLOCK_BYTES - (at % BLOCK_BYTES)
  return room < HEADER_BYTES ? at + room : at
}

/** Returns the range that a record's checksum covers: type and content. The checksum itself comes first in the record. */
export function checkedBytes(log: Buffer, at: number): [number, number] {
  return [at + 6, at + HEADER_BYTES + log.readUInt16LE(at + 4)]
}
