import { isWhole } from './crc32c.ts'
import { lengthOf, UNPACKED_MAX_BYTES, unsnap } from './snappy.ts'
import { varint } from './varint.ts'

/**
 * LevelDB's table format (doc/table_format.md): blocks, each followed by its type and a checksum over both; at the end of
 * the file, the footer, the places of two of them, which name the others.
 */
export const FOOTER_BYTES = 48
/** The last 8 bytes of every table. */
export const MAGIC = Buffer.from('57fb808b247547db', 'hex')
export const TYPE_BYTES = 1
const CHECKSUM_BYTES = 4
/** Types of a block. */
const [RAW, SNAPPY] = [0, 1]
export const TYPES = [RAW, SNAPPY]
/** In place of a block's type, or of the last byte of a table: LevelDB says that it cannot read the block, or the table. */
export const UNREADABLE = 0xff
/** Each key has a sequence number and a type behind it (db/dbformat.h). */
const KEY_BYTES = 8

/** Where a block lies; its type and checksum follow. */
export interface Place {
  readonly at: number
  readonly bytes: number
}

/** An entry of a block. Its key is as long as what it shares with the one before, and the rest. */
interface Entry {
  readonly shared: number
  readonly rest: number
  readonly value: Place
}

/**
 * The places that the footer names: the block that names filters, and the index, which names the blocks of records.
 *
 * @throws RangeError for what has no footer
 */
export function namedIn(table: Buffer): { readonly meta: Place; readonly index: Place } {
  const footer = table.subarray(-FOOTER_BYTES)
  if (!footer.subarray(-MAGIC.length).equals(MAGIC)) throw new RangeError('no footer of a table')
  const [meta, afterMeta] = placeIn(footer, 0)
  return { meta, index: placeIn(footer, afterMeta)[0] }
}

/** @throws RangeError for a place that is not in the table */
export function isBlockWhole(table: Buffer, { at, bytes }: Place): boolean {
  const end = at + bytes + TYPE_BYTES
  if (end + CHECKSUM_BYTES > table.length - FOOTER_BYTES) throw new RangeError('a block outside its table')
  return isWhole(table, at, end, end)
}

/** The places that a block names: its values. @throws RangeError for what is no such block */
export function placesIn(table: Buffer, place: Place): Place[] {
  const block = unpacked(table, place)
  if (block === undefined) throw new RangeError('a block of no type')
  return [...entriesIn(block, 0)].map(({ value }) => placeIn(block, value.at)[0])
}

/** What a block holds: records; places of those, by the last key in each; a filter, or the list of them. */
export type Holds = 'records' | 'index' | 'filters'

/**
 * True of a damaged block that may end the process. LevelDB does not look at checksums: it asserts that keys are as long as
 * it wrote them, and asks for memory before it sees whether the block fits. Of what else is wrong it says so, or it does not
 * notice.
 */
export function isTrap(table: Buffer, place: Place, holds: Holds): boolean {
  if (isPackedTooLong(table, place)) return true
  // A filter has no keys, and their list no room for a place that is too long.
  const block = holds === 'filters' ? undefined : readable(table, place)
  if (block === undefined) return false
  return entriesRead(block).some(
    ({ keyBytes, value }) => keyBytes < KEY_BYTES || (holds === 'index' && namesTooLong(table, block, value)),
  )
}

/** So many bytes are asked for, and there may be no memory that large. */
export function isTooLong(table: Buffer, { bytes }: Place): boolean {
  return bytes > table.length
}

function isPackedTooLong(table: Buffer, { at, bytes }: Place): boolean {
  if (table[at + bytes] !== SNAPPY) return false
  const said = ifInRange(() => lengthOf(table.subarray(at, at + bytes)))
  return said !== undefined && said[0] > UNPACKED_MAX_BYTES
}

function namesTooLong(table: Buffer, block: Buffer, { at }: Place): boolean {
  const named = ifInRange(() => placeIn(block, at))
  return named !== undefined && isTooLong(table, named[0])
}

/** The entries that LevelDB may come to, and how long their keys are: it begins at any of the places where one is whole. */
function* entriesRead(block: Buffer): Generator<{ keyBytes: number; value: Place }> {
  for (const start of restartsIn(block)) {
    let keyBytes = 0
    try {
      for (const { shared, rest, value } of entriesIn(block, start)) {
        if (shared > keyBytes) break
        keyBytes = shared + rest
        yield { keyBytes, value }
      }
    } catch (error) {
      mustBeOutOfRange(error)
    }
  }
}

/** A block as LevelDB begins to read it; undefined: it says that it cannot, or that there is nothing in it. */
function readable(table: Buffer, place: Place): Buffer | undefined {
  const block = ifInRange(() => unpacked(table, place))
  if (block === undefined || block.length < 4 || block.readUInt32LE(block.length - 4) === 0) return undefined
  return endOfEntries(block) < 0 ? undefined : block
}

/** @returns undefined for one of a type that there is not: LevelDB says so @throws RangeError if it cannot be unpacked */
function unpacked(table: Buffer, { at, bytes }: Place): Buffer | undefined {
  const stored = table.subarray(at, at + bytes)
  const type = table[at + bytes]
  return type === SNAPPY ? unsnap(stored) : type === RAW ? stored : undefined
}

/** @throws RangeError where one does not fit */
function* entriesIn(block: Buffer, start: number): Generator<Entry> {
  const end = endOfEntries(block)
  if (end < 0) throw new RangeError('a block without entries')
  for (let at = start; at < end;) {
    const [shared, afterShared] = varint(block, at)
    const [rest, afterRest] = varint(block, afterShared)
    const [bytes, afterBytes] = varint(block, afterRest)
    const value = { at: afterBytes + rest, bytes }
    at = value.at + bytes
    if (at > end) throw new RangeError('an entry beyond its block')
    yield { shared, rest, value }
  }
}

/** Behind the entries stand the places of those that share nothing, and how many these are. Negative: more than there can be. */
function endOfEntries(block: Buffer): number {
  return block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
}

function restartsIn(block: Buffer): number[] {
  const places: number[] = []
  for (let at = endOfEntries(block); at < block.length - 4; at += 4) places.push(block.readUInt32LE(at))
  return places
}

/** @returns with where it ends */
function placeIn(bytes: Buffer, from: number): [Place, number] {
  const [at, afterAt] = varint(bytes, from)
  const [size, end] = varint(bytes, afterAt)
  return [{ at, bytes: size }, end]
}

/** @returns undefined where what is read does not fit */
function ifInRange<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    mustBeOutOfRange(error)
    return undefined
  }
}

function mustBeOutOfRange(error: unknown): void {
  if (!(error instanceof RangeError)) throw error
}
