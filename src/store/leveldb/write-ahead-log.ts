import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { isWhole } from './crc32c.ts'

/** LevelDB's log format (doc/log_format.md): blocks of fixed size, of records that never reach over the end of one. */
const BLOCK_BYTES = 32 * 1024
/** 4 bytes checksum, 2 bytes length, 1 byte type, little-endian; then the content. */
const HEADER_BYTES = 7
/** A whole batch, or the first part of one. Middle and last parts are 3 and 4. */
const FULL = 1
const FIRST = 2
const LAST = 4
/** A batch begins with its sequence number, which grows. */
const SEQUENCE_BYTES = 8

/**
 * Look at the logs before LevelDB does: at a damaged place it throws away what follows, goes on with what it can read
 * after that, and deletes the log. Batches would be missing from the middle, which no look at the end of the journal
 * shows. What a crash leaves is torn at the very end, for each batch is on the disk before the next one is written.
 *
 * Logs hold what is in no table yet, 8 MB or so, however large the database is.
 *
 * @throws TrustError DATA_DAMAGED; nothing was changed
 * @throws Error if one cannot be read: LevelDB would take that for its end
 */
export function mustHaveWholeLogs(directory: string): void {
  for (const name of readdirSync(directory).filter(isLog)) {
    const damaged = damagedPlace(readLog(join(directory, name)))
    if (damaged === undefined) continue
    const text = `the log ${name} of the database in ${directory} is damaged at byte ${damaged}, and goes on after it`
    throw new TrustError('DATA_DAMAGED', text, { hint: REPAIR_HINT })
  }
}

/** That of a server, which somebody has put beside them, is none of LevelDB's. */
export function isLog(name: string): boolean {
  return /^\d+\.log$/.test(name)
}

/** One that is gone: another process has the database open, which is told when it is opened. */
function readLog(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** Where a log cannot be read, or goes back, although there are batches after that place; undefined: nowhere. */
function damagedPlace(log: Buffer): number | undefined {
  let bad: number | undefined
  let sequence = -1n
  for (const { at, isWhole } of recordsIn(log)) {
    if (!isWhole) {
      bad ??= at
      continue
    }
    const type = log[at + 6]
    if ((type === FULL || type === FIRST) && log.readUInt16LE(at + 4) >= SEQUENCE_BYTES) {
      const next = log.readBigUInt64LE(at + HEADER_BYTES)
      // An older one is what a disk block held before it was this file's: LevelDB would take it for the newest.
      if (bad !== undefined || next < sequence) return bad ?? at
      sequence = next
    }
  }
  return undefined
}

/** The batches of a log, up to the first place that cannot be read. LevelDB's list of its tables has this form, too. */
export function* wholeBatches(log: Buffer): IterableIterator<Buffer> {
  let parts: Buffer[] = []
  for (const { at, isWhole } of recordsIn(log)) {
    if (!isWhole) return
    const type = log[at + 6]
    if (type === FULL || type === FIRST) parts = []
    parts.push(log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + log.readUInt16LE(at + 4)))
    if (type === FULL || type === LAST) yield Buffer.concat(parts)
  }
}

/** A place in a log that has the form of a record. */
export interface LogRecord {
  readonly at: number
  /** Where one may follow. */
  readonly next: number
  /** False: it, or its length, is damaged. */
  readonly isWhole: boolean
}

/** All such places of a log, in order. */
export function* recordsIn(log: Buffer): IterableIterator<LogRecord> {
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const room = BLOCK_BYTES - (at % BLOCK_BYTES)
    const length = log.readUInt16LE(at + 4)
    const fits = length <= room - HEADER_BYTES
    const end = at + HEADER_BYTES + length
    const whole = fits && end <= log.length && isWhole(log, ...checkedBytes(log, at), at)
    // With a length that may be right the next record is there; a batch that follows in this block counts, too.
    const next = whole || (length > 0 && fits) ? withoutTrailer(end) : at + room
    yield { at, next, isWhole: whole }
    at = next
  }
}

/** The end of a block that has no room for a header is left empty. */
function withoutTrailer(at: number): number {
  const room = BLOCK_BYTES - (at % BLOCK_BYTES)
  return room < HEADER_BYTES ? at + room : at
}

/** What a record's checksum, which stands where it begins, is over: its type and content. @returns from and to */
export function checkedBytes(log: Buffer, at: number): [number, number] {
  return [at + 6, at + HEADER_BYTES + log.readUInt16LE(at + 4)]
}
