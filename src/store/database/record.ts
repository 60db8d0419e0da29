import { hash } from 'node:crypto'
import { TrustError } from '../../errors.ts'
import { DAMAGED_HINT } from '../hints.ts'
import { nameOf } from '../keyspace.ts'

/**
 * A record is sha256(key ‖ payload) ‖ payload. LevelDB verifies no checksums on reads, so it returns flipped bits as
 * data. The digest covers the key too, so that a valid record in the wrong place is detected.
 */
export const RECORD_DIGEST_BYTES = 32

export function sealRecord(key: Uint8Array, payload: Uint8Array): Buffer {
  return Buffer.concat([digest(key, payload), payload])
}

/** Checks a record. @returns its payload @throws TrustError CORRUPT */
export function openRecord(key: Buffer, record: Buffer): Buffer {
  const payload = record.subarray(RECORD_DIGEST_BYTES)
  if (record.length < RECORD_DIGEST_BYTES || !digest(key, payload).equals(record.subarray(0, RECORD_DIGEST_BYTES))) {
    throw new TrustError('CORRUPT', `the record "${nameOf(key)}" is damaged`, { hint: DAMAGED_HINT })
  }
  return payload
}

/** Returns a stamp that differs for every record: it shows whether one has changed, without its payload. */
export function stampOf(record: Buffer): Buffer {
  return record.subarray(0, RECORD_DIGEST_BYTES)
}

function digest(key: Uint8Array, payload: Uint8Array): Buffer {
  // Nearly all records are short: copying one costs less than a hash object that is fed piece by piece.
  return hash('sha256', Buffer.concat([key, payload]), 'buffer')
}
