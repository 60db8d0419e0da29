/**
 * Reads a number of at most 64 bits as LevelDB and Snappy write it: seven bits per byte, lowest first; the high bit is set
 * in all bytes but the last.
 *
 * @returns the number, inexact beyond 2^53, and where it ends
 * @throws RangeError if it has no end
 */
export function varint(bytes: Buffer, from: number): [number, number] {
  let value = 0
  for (let at = from, scale = 1; ; at += 1, scale *= 128) {
    const byte = bytes.readUInt8(at)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return [value, at + 1]
    if (scale === 2 ** 63) throw new RangeError('a number of too many bytes')
  }
}
