import { ifInRange } from '../leveldb/if-in-range.ts'
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
 * Checks all blocks of a table against their checksums, which LevelDB does not: a damaged block may end the process, or
 * hide keys. Turns back single flipped bits, and marks other damaged blocks, so that LevelDB reports an error for them.
 *
 * @returns a mended copy; undefined if nothing is wrong
 */
export function withoutTraps(table: Buffer): MendedFile | undefined {
  const bytes = Buffer.from(table)
  let bits = 0
  /** @returns true if the block can be read */
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
    // The end of the table is damaged. Erase it, so that LevelDB reports an error for the whole table.
    bytes.fill(0, Math.max(0, bytes.length - FOOTER_BYTES))
  }
  return bytes.equals(table) ? undefined : { bytes, bits }
}

/** Mends the footer, which has no checksum itself, but the blocks that it names do. @returns true if it was mended */
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
  const isRight = ifInRange(() => {
    const { meta, index } = namedIn(table)
    return isBlockWhole(table, meta) && isBlockWhole(table, index)
  })
  return isRight === true
}

/** Mends or marks a block. @throws RangeError for a place outside the table */
function mendBlock(table: Buffer, place: Place): 'whole' | 'mended' | 'unreadable' {
  if (isBlockWhole(table, place)) return 'whole'
  const typeAt = place.at + place.bytes
  const end = typeAt + TYPE_BYTES
  // The type of a marked block is unknown: try all types.
  for (const type of table[typeAt] === UNREADABLE ? TYPES : [table[typeAt]!]) {
    table[typeAt] = type
    if (turnBack(table, place.at, end, end)) return 'mended'
  }
  table[typeAt] = UNREADABLE
  return 'unreadable'
}
