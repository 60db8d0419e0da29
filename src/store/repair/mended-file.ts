import { crc32c, CRC32C_TABLE, mask, unmask } from '../leveldb/crc32c.ts'

/** A copy of one of LevelDB's files, made fit to be read. */
export interface MendedFile {
  readonly bytes: Buffer
  /** How many flipped bits were turned back. */
  readonly bits: number
}

/**
 * Turns back the one bit that has flipped in these bytes, or in their checksum. A flipped bit changes the checksum in a way
 * that depends only on its position.
 *
 * @returns false if more is wrong; then nothing was changed
 */
export function turnBack(file: Buffer, from: number, to: number, checksumAt: number): boolean {
  const found = crc32c(file.subarray(from, to))
  const stored = file.readUInt32LE(checksumAt)
  const inChecksum = mask(found) ^ stored
  if ((inChecksum & (inChecksum - 1)) === 0) {
    writeChecksum(file, from, to, checksumAt)
    return true
  }
  const wanted = unmask(stored) ^ found
  for (let bit = 0; bit < 8; bit += 1) {
    let difference = CRC32C_TABLE[1 << bit]!
    for (let at = to - 1; at >= from; at -= 1) {
      if (difference === wanted) {
        file[at] = file[at]! ^ (1 << bit)
        return true
      }
      difference = (difference >>> 8) ^ CRC32C_TABLE[difference & 255]!
    }
  }
  return false
}

/** Writes the checksum of the current bytes. */
export function writeChecksum(file: Buffer, from: number, to: number, checksumAt: number): void {
  file.writeUInt32LE(mask(crc32c(file.subarray(from, to))), checksumAt)
}
