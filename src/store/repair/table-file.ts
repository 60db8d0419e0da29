import { isWhole } from '../checked-bytes.ts'
import { varint } from '../varint.ts'
import { turnBack, type MendedFile } from './mended-file.ts'
import { unsnap } from './snappy.ts'

/**
 * LevelDB's table format (doc/table_format.md): blocks, each followed by its type and a checksum over both; at the end of
 * the file the places of two of them, which name the others.
 */
const FOOTER_BYTES = 48
/** The last 8 bytes of every table. */
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
const TYPE_BYTES = 1
const CHECKSUM_BYTES = 4
const SNAPPY = 1
/** No type of a block: LevelDB says that it cannot read it. */
const UNREADABLE = 0xff

/** Where a block lies; its type and checksum follow. */
interface Place {
  readonly at: number
  readonly bytes: number
}

/**
 * Hold all blocks of a table against their checksums, which LevelDB does not: one that is damaged may end the process, or
 * hide keys. Where one bit has changed it is turned back; what else is damaged is marked, so that LevelDB says so of it.
 *
 * @returns a copy; undefined if nothing is wrong
 */
export function withoutTraps(table: Buffer): MendedFile | undefined {
  const bytes = Buffer.from(table)
  let bits = 0
  /** @returns true if it can be read */
  const mend = (place: Place): boolean => {
    const state = mendBlock(bytes, place)
    if (state === 'mended') bits += 1
    return state !== 'unreadable'
  }
  try {
    if (mendFooter(bytes)) bits += 1
    for (const named of namedIn(bytes)) if (mend(named)) for (const place of placesIn(bytes, named)) mend(place)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Its end is damaged: without it LevelDB says so of all of the table.
    bytes.fill(0, Math.max(0, bytes.length - FOOTER_BYTES))
  }
  return bytes.equals(table) ? undefined : { bytes, bits }
}

/** The places of the two blocks that the footer names. @throws RangeError */
function namedIn(table: Buffer): Place[] {
  const footer = table.subarray(-FOOTER_BYTES)
  const [meta, afterMeta] = placeIn(footer, 0)
  return [meta, placeIn(footer, afterMeta)[0]]
}

/** The footer has no checksum, but what it names has. @returns true if a bit of it was turned back */
function mendFooter(table: Buffer): boolean {
  if (isFooterRight(table)) return false
  for (let at = Math.max(0, table.length - FOOTER_BYTES); at < table.length; at += 1) {
    const byte = table[at]!
    for (let bit = 0; bit < 8; bit += 1) {
      table[at] = byte ^ (1 << bit)
      if (isFooterRight(table)) return true
    }
    table[at] = byte
  }
  return false
}

function isFooterRight(table: Buffer): boolean {
  if (!table.subarray(-MAGIC.length).equals(MAGIC)) return false
  try {
    return namedIn(table).every(({ at, bytes }) => {
      const end = at + bytes + TYPE_BYTES
      return end + CHECKSUM_BYTES <= table.length - FOOTER_BYTES && isWhole(table, at, end, end)
    })
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** @throws RangeError for a place that is not in the table */
function mendBlock(table: Buffer, { at, bytes }: Place): 'whole' | 'mended' | 'unreadable' {
  const end = at + bytes + TYPE_BYTES
  if (end + CHECKSUM_BYTES > table.length) throw new RangeError('a block outside its table')
  if (isWhole(table, at, end, end)) return 'whole'
  if (turnBack(table, at, end, end)) return 'mended'
  table[end - TYPE_BYTES] = UNREADABLE
  return 'unreadable'
}

/** The places that a block names: its values. Keys are as long as what they share with the one before, and the rest. */
function placesIn(table: Buffer, { at, bytes }: Place): Place[] {
  const stored = table.subarray(at, at + bytes)
  const block = table[at + bytes] === SNAPPY ? unsnap(stored) : stored
  const entries = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  const places: Place[] = []
  for (let next = 0; next < entries;) {
    const [, afterShared] = varint(block, next)
    const [rest, afterRest] = varint(block, afterShared)
    const [value, afterValue] = varint(block, afterRest)
    places.push(placeIn(block, afterValue + rest)[0])
    next = afterValue + rest + value
  }
  return places
}

/** @returns with where it ends */
function placeIn(bytes: Buffer, from: number): [Place, number] {
  const [at, afterAt] = varint(bytes, from)
  const [size, end] = varint(bytes, afterAt)
  return [{ at, bytes: size }, end]
}
