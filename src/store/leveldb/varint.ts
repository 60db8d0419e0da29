/**
 * A number as LevelDB and Snappy write it, of 64 bits at most: seven bits a byte, the lowest first; the last byte has no
 * high bit.
 *
 * @returns the number, beyond 2^53 nearly, and where it ends
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
