import {
  FOOTER_BYTES,
  isBlockWhole,
  MAGIC,
  namedIn,
  placesIn,
  TYPE_BYTES,
  TYPES,
  UNREADABLE,
  type Place,
} from '../leveldb/table-file.ts'
import { turnBack, type MendedFile } from './mended-file.ts'

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
    const { meta, index } = namedIn(bytes)
    for (const named of [meta, index]) if (mend(named)) for (const place of placesIn(bytes, named)) mend(place)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Its end is damaged: without it LevelDB says so of all of the table.
    bytes.fill(0, Math.max(0, bytes.length - FOOTER_BYTES))
  }
  return bytes.equals(table) ? undefined : { bytes, bits }
}

/** The footer has no checksum, but what it names has. @returns true if it was turned back to what it was */
function mendFooter(table: Buffer): boolean {
  const isMarked = table.at(-1) === UNREADABLE
  if (isMarked) MAGIC.copy(table, table.length - MAGIC.length)
  if (isFooterRight(table)) return isMarked
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
  try {
    const { meta, index } = namedIn(table)
    return isBlockWhole(table, meta) && isBlockWhole(table, index)
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** @throws RangeError for a place that is not in the table */
function mendBlock(table: Buffer, place: Place): 'whole' | 'mended' | 'unreadable' {
  if (isBlockWhole(table, place)) return 'whole'
  const typeAt = place.at + place.bytes
  const end = typeAt + TYPE_BYTES
  // One that was marked was of one of the types that there are.
  for (const type of table[typeAt] === UNREADABLE ? TYPES : [table[typeAt]!]) {
    table[typeAt] = type
    if (turnBack(table, place.at, end, end)) return 'mended'
  }
  table[typeAt] = UNREADABLE
  return 'unreadable'
}
