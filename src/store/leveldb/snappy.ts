import { varint } from './varint.ts'

/** Bytes. No block of LevelDB is as long as this. */
export const UNPACKED_MAX_BYTES = 64 * 1024 * 1024

/** Reads the header. @returns the unpacked length in bytes, as stated, and where the pieces begin @throws RangeError */
export const lengthOf = (packed: Buffer): [number, number] => varint(packed, 0)

/**
 * Unpacks Snappy data (format_description.txt), as LevelDB uses it: literal pieces, and copies of earlier bytes.
 *
 * @throws RangeError for data in any other format
 */
export function unsnap(packed: Buffer): Buffer {
  const [length, start] = lengthOf(packed)
  if (length > UNPACKED_MAX_BYTES) throw new RangeError('more than any block of LevelDB')
  const bytes = Buffer.alloc(length)
  let [at, to] = [start, 0]
  while (at < packed.length) {
    const tag = packed.readUInt8(at)
    at += 1
    if ((tag & 3) === 0) {
      const more = Math.max(0, (tag >> 2) - 59)
      const size = (more === 0 ? tag >> 2 : packed.readUIntLE(at, more)) + 1
      at += more
      if (to + size > length || at + size > packed.length) throw new RangeError('a piece that is too long')
      packed.copy(bytes, to, at, at + size)
      at += size
      to += size
      continue
    }
    const size = (tag & 3) === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const back =
      (tag & 3) === 1 ? ((tag >> 5) << 8) | packed.readUInt8(at) : packed.readUIntLE(at, (tag & 3) === 2 ? 2 : 4)
    at += (tag & 3) === 1 ? 1 : (tag & 3) === 2 ? 2 : 4
    if (back === 0 || back > to || to + size > length) throw new RangeError('a copy of what is not there')
    // Byte by byte: a copy may overlap what it has just written.
    for (let each = 0; each < size; each += 1, to += 1) bytes[to] = bytes[to - back] ?? 0
  }
  return bytes
}
