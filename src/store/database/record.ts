import { hash } from 'node:crypto'
import { TrustError } from '../../errors.ts'
import { DAMAGED_HINT } from '../hints.ts'
import { nameOf } from '../keyspace.ts'

/**
 * A record is sha256(key ‖ payload) ‖ payload. LevelDB verifies no checksum on reads: one flipped bit is served as
 * data. The digest covers the key too, so that a valid record in a wrong place is noticed.
 */
export const RECORD_DIGEST_BYTES = 32

export function sealRecord(key: Uint8Array, payload: Uint8Array): Buffer {
  return Buffer.concat([digest(key, payload), payload])
}

/** @returns the payload @throws TrustError CORRUPT */
export function openRecord(key: Buffer, record: Buffer): Buffer {
  const payload = record.subarray(RECORD_DIGEST_BYTES)
  if (record.length < RECORD_DIGEST_BYTES || !digest(key, payload).equals(record.subarray(0, RECORD_DIGEST_BYTES))) {
    throw new TrustError('CORRUPT', `the record "${nameOf(key)}" is damaged`, { hint: DAMAGED_HINT })
  }
  return payload
}

/** Other for every other record: tells without looking at the payload whether it is what it was. */
export function stampOf(record: Buffer): Buffer {
  return record.subarray(0, RECORD_DIGEST_BYTES)
}

function digest(key: Uint8Array, payload: Uint8Array): Buffer {
  // For records as short as nearly all are, a copy costs less than an object that is fed piece by piece.
  return hash('sha256', Buffer.concat([key, payload]), 'buffer')
}
