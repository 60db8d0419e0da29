import canonicalize from 'canonicalize'
import { ownBytes } from '../memory/own-bytes.ts'
import type { Packed } from './packing.ts'
import type { Head, KeyOwner, StoredKey } from './store.ts'

/**
 * Encodes and decodes each kind of record. Values whose hashes are compared encode to the same bytes again after they
 * were decoded: as canonical JSON or, for heads, the most frequent ones, JSON with its members in a fixed order.
 */

export function encodeHead({ highest, keysAt, renewAt, revision, roles }: Head): Buffer {
  return Buffer.from(JSON.stringify({ highest, keysAt, renewAt, revision, roles }))
}

export function decodeHead(payload: Buffer): Head {
  return JSON.parse(payload.toString()) as Head
}

/** A document as stored in its record. */
export interface PackedDocument {
  readonly version: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly packed: Packed
}

const WHOLE = 0
const DIFFERENCE = 1
const FRONT_BYTES = 13
const SHA256_BYTES = 32

/** Encodes: 8 bytes createdAt, 4 bytes version, 1 byte form, the base's SHA-256 for a difference, then the bytes. */
export function encodeDocument({ version, createdAt, packed }: PackedDocument): Buffer {
  const front = Buffer.alloc(FRONT_BYTES)
  front.writeBigUInt64BE(BigInt(createdAt), 0)
  front.writeUInt32BE(version, 8)
  front.writeUInt8(packed.form === 'whole' ? WHOLE : DIFFERENCE, 12)
  const base = packed.form === 'whole' ? [] : [Buffer.from(packed.base, 'hex')]
  return Buffer.concat([front, ...base, packed.bytes])
}

export function decodeDocument(payload: Buffer): PackedDocument {
  const rest = payload.subarray(FRONT_BYTES)
  const base = rest.subarray(0, SHA256_BYTES).toString('hex')
  return {
    version: payload.readUInt32BE(8),
    createdAt: Number(payload.readBigUInt64BE(0)),
    packed:
      payload.readUInt8(12) === WHOLE
        ? { form: 'whole', bytes: rest }
        : { form: 'difference', base, bytes: rest.subarray(SHA256_BYTES) },
  }
}

export function encodeKeys(keys: readonly StoredKey[]): Buffer {
  return encodeValue(keys.map((key) => ({ ...key, sealed: Buffer.from(key.sealed).toString('base64') })))
}

export function decodeKeys(payload: Buffer): StoredKey[] {
  const list = JSON.parse(payload.toString()) as (Omit<StoredKey, 'sealed'> & { sealed: string })[]
  return list.map((key) => ({ ...key, sealed: ownBytes(Buffer.from(key.sealed, 'base64')) }))
}

export function encodeOwner(owner: KeyOwner): Buffer {
  return encodeValue(owner)
}

export function decodeOwner(payload: Buffer): KeyOwner {
  return JSON.parse(payload.toString()) as KeyOwner
}

/** The first record of a database. */
export interface Format {
  readonly version: number
  /** Random; ties the anchor to this database. */
  readonly store: string
}

export function encodeFormat(format: Format): Buffer {
  return encodeValue(format)
}

export function decodeFormat(payload: Buffer): Format {
  return JSON.parse(payload.toString()) as Format
}

/** Encodes a record's value as canonical JSON (RFC 8785). */
export function encodeValue(value: unknown): Buffer {
  return Buffer.from(canonicalize(value) ?? '')
}

export function decodeValue(payload: Buffer): unknown {
  return JSON.parse(payload.toString()) as unknown
}
