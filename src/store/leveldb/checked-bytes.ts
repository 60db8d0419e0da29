import { crc32c } from './crc32c.ts'

/** True if the checksum at `checksumAt` is that of these bytes. */
export function isWhole(file: Buffer, from: number, to: number, checksumAt: number): boolean {
  return file.readUInt32LE(checksumAt) === mask(crc32c(file.subarray(from, to)))
}

/** A checksum as LevelDB writes it in logs and tables (its util/crc32c.h). @param crc of `crc32c` */
export function mask(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
