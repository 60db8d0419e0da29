import { hash } from 'node:crypto'
import { RECORD_DIGEST_BYTES } from '../database/record.ts'

/** Longer records take too long: 8 × as many hashes as they have bytes, of as many bytes each. */
const MAX_BYTES = 8 * 1024

/**
 * The payload of a record in which one bit has changed, the damage that memory and disks do most often: the one whose
 * hash, key and all, is that of the record. No other payload can have it.
 *
 * @returns undefined if more is wrong with it, or it is too long to try all bits, half a second
 */
export function unflipped(key: Buffer, record: Buffer): Buffer | undefined {
  if (record.length < RECORD_DIGEST_BYTES || record.length > MAX_BYTES) return undefined
  const digest = record.subarray(0, RECORD_DIGEST_BYTES)
  const bytes = Buffer.concat([key, record.subarray(RECORD_DIGEST_BYTES)])
  const matches = (bits: number): boolean => differingBits(hash('sha256', bytes, 'buffer'), digest) === bits
  // In the hash itself: then the payload is as it was.
  if (matches(1)) return bytes.subarray(key.length)
  for (let at = key.length; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0
    for (let bit = 0; bit < 8; bit += 1) {
      bytes[at] = byte ^ (1 << bit)
      if (matches(0)) return bytes.subarray(key.length)
    }
    bytes[at] = byte
  }
  return undefined
}

/** Of two hashes. More than a few are not counted to their end. */
function differingBits(one: Buffer, other: Buffer): number {
  let bits = 0
  for (let at = 0; at < one.length && bits < 2; at += 1) {
    for (let rest = (one[at] ?? 0) ^ (other[at] ?? 0); rest > 0; rest &= rest - 1) bits += 1
  }
  return bits
}
