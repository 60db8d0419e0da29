import { crc32c, CRC32C_TABLE, mask, unmask } from '../leveldb/crc32c.ts'

/** A copy of a file of LevelDB's that is made fit to be read. */
export interface MendedFile {
  readonly bytes: Buffer
  /** How many bits were turned back in it. */
  readonly bits: number
}

/**
 * Turn back the one bit that has changed in these bytes, or in their checksum. A changed bit changes the checksum by what
 * depends on its place alone.
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

/** Make the checksum that of what the bytes are now. */
export function writeChecksum(file: Buffer, from: number, to: number, checksumAt: number): void {
  file.writeUInt32LE(mask(crc32c(file.subarray(from, to))), checksumAt)
}
