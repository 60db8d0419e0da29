import { hash } from 'node:crypto'
import { RECORD_DIGEST_BYTES } from '../database/record.ts'

/** Longer records take too long: each of their bytes takes 8 hashes of the whole record. */
const MAX_BYTES = 8 * 1024

/**
 * Returns the payload of a record in which one bit has flipped, the most common damage by memory and disks. Tries all
 * bits until the hash of key and payload matches that of the record, which no other payload can have.
 *
 * @returns undefined if more than one bit is wrong, or if the record is too long to try all bits in half a second
 */
export function unflipped(key: Buffer, record: Buffer): Buffer | undefined {
  if (record.length < RECORD_DIGEST_BYTES || record.length > MAX_BYTES) return undefined
  const digest = record.subarray(0, RECORD_DIGEST_BYTES)
  const bytes = Buffer.concat([key, record.subarray(RECORD_DIGEST_BYTES)])
  const matches = (bits: number): boolean => differingBits(hash('sha256', bytes, 'buffer'), digest) === bits
  // If the bit flipped in the hash itself, the payload is right.
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

/** Counts the bits in which two hashes differ; stops early once there are two. */
function differingBits(one: Buffer, other: Buffer): number {
  let bits = 0
  for (let at = 0; at < one.length && bits < 2; at += 1) {
    for (let rest = (one[at] ?? 0) ^ (other[at] ?? 0); rest > 0; rest &= rest - 1) bits += 1
  }
  return bits
}
