import { isWhole } from './crc32c.ts'
import { ifInRange } from './if-in-range.ts'
import { lengthOf, UNPACKED_MAX_BYTES, unsnap } from './snappy.ts'
import { varint } from './varint.ts'

/**
 * LevelDB's table format (doc/table_format.md): blocks, each followed by its type and a checksum over both. The footer, at
 * the end of the file, gives the places of two blocks, which list the others.
 */
export const FOOTER_BYTES = 48
/** The last 8 bytes of every table. */
export const MAGIC = Buffer.from('57fb808b247547db', 'hex')
export const TYPE_BYTES = 1
const CHECKSUM_BYTES = 4
/** Types of a block. */
const [RAW, SNAPPY] = [0, 1]
export const TYPES = [RAW, SNAPPY]
/** Written over a block's type, or a table's last byte, it makes LevelDB report the block, or the table, as unreadable. */
export const UNREADABLE = 0xff
/** Bytes of the sequence number and type after each key (db/dbformat.h). */
const KEY_BYTES = 8

/** Where a block is in its table; its type and checksum follow. */
export interface Place {
  readonly at: number
  readonly bytes: number
}

/** An entry of a block. Its key consists of bytes shared with the previous key, and the rest. */
interface Entry {
  readonly shared: number
  readonly rest: number
  readonly value: Place
}

/**
 * Reads the footer: the places of the block that lists filters and of the index, which lists the blocks of records.
 *
 * @throws RangeError if there is no footer
 */
export function namedIn(table: Buffer): { readonly meta: Place; readonly index: Place } {
  const footer = table.subarray(-FOOTER_BYTES)
  if (!footer.subarray(-MAGIC.length).equals(MAGIC)) throw new RangeError('no footer of a table')
  const [meta, afterMeta] = placeIn(footer, 0)
  return { meta, index: placeIn(footer, afterMeta)[0] }
}

/** True if a block matches its checksum. @throws RangeError for a place outside the table */
export function isBlockWhole(table: Buffer, { at, bytes }: Place): boolean {
  const end = at + bytes + TYPE_BYTES
  if (end + CHECKSUM_BYTES > table.length - FOOTER_BYTES) throw new RangeError('a block outside its table')
  return isWhole(table, at, end, end)
}

/** Returns the places that a block lists in its values. @throws RangeError if it is not such a block */
export function placesIn(table: Buffer, place: Place): Place[] {
  const block = unpacked(table, place)
  if (block === undefined) throw new RangeError('a block of no type')
  return [...entriesIn(block, 0)].map(({ value }) => placeIn(block, value.at)[0])
}

/** The content of a block: records; the places of blocks of records, by the last key in each; a filter, or their list. */
export type Holds = 'records' | 'index' | 'filters'

/**
 * True for a damaged block that may end the process that reads it. LevelDB ignores checksums, but asserts the length of
 * keys, and allocates memory before it checks whether a block fits. Other damage it reports, or does not notice.
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

/** True for a block longer than its table: LevelDB would allocate that much memory, and may fail. */
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

/** Yields the entries that LevelDB may reach, with the length of their keys: it starts at any of the restart points. */
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
      if (!(error instanceof RangeError)) throw error
    }
  }
}

/** Returns a block as LevelDB starts to read it; undefined if LevelDB would report an error. */
function readable(table: Buffer, place: Place): Buffer | undefined {
  const block = ifInRange(() => unpacked(table, place))
  if (block === undefined || block.length < 4) return undefined
  return endOfEntries(block) < 0 ? undefined : block
}

/** @returns undefined for an unknown type, which LevelDB reports @throws RangeError if it cannot be unpacked */
function unpacked(table: Buffer, { at, bytes }: Place): Buffer | undefined {
  const stored = table.subarray(at, at + bytes)
  const type = table[at + bytes]
  return type === SNAPPY ? unsnap(stored) : type === RAW ? stored : undefined
}

/** Yields the entries of a block. @throws RangeError at one that does not fit */
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

/** Returns where the entries end and the restart points begin, whose number comes last. Negative if that is too large. */
function endOfEntries(block: Buffer): number {
  return block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
}

function restartsIn(block: Buffer): number[] {
  const places: number[] = []
  for (let at = endOfEntries(block); at < block.length - 4; at += 4) places.push(block.readUInt32LE(at))
  return places
}

/** Reads a place. @returns the place, and where its encoding ends */
function placeIn(bytes: Buffer, from: number): [Place, number] {
  const [at, afterAt] = varint(bytes, from)
  const [size, end] = varint(bytes, afterAt)
  return [{ at, bytes: size }, end]
}
