import canonicalize from 'canonicalize'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { Head, NewDocument, StoredDocument, StoredKey } from './store.ts'

/** How each kind of record is written; read back by the function beside it. Canonical JSON, so that hashes are stable. */

export function encodeHead(head: Head): Buffer {
  return encodeJson(head)
}

export function decodeHead(payload: Buffer): Head {
  return JSON.parse(payload.toString()) as Head
}

/** A document: 8 bytes createdAt, 4 bytes version, then the bytes as they were received or made. */
export function encodeDocument(document: NewDocument, createdAt: number): Buffer {
  const front = Buffer.alloc(12)
  front.writeBigUInt64BE(BigInt(createdAt), 0)
  front.writeUInt32BE(document.version, 8)
  return Buffer.concat([front, document.bytes])
}

export function decodeDocument(payload: Buffer, sha256: string): StoredDocument {
  return {
    bytes: payload.subarray(12),
    version: payload.readUInt32BE(8),
    sha256,
    createdAt: Number(payload.readBigUInt64BE(0)),
  }
}

export function encodeKeys(keys: readonly StoredKey[]): Buffer {
  return encodeJson(keys.map((key) => ({ ...key, sealed: Buffer.from(key.sealed).toString('base64') })))
}

export function decodeKeys(payload: Buffer): StoredKey[] {
  const list = JSON.parse(payload.toString()) as (Omit<StoredKey, 'sealed'> & { sealed: string })[]
  return list.map((key) => ({ ...key, sealed: Buffer.from(key.sealed, 'base64') }))
}

export interface Owner {
  readonly gun: Gun
  readonly role: Role
}

export function encodeOwner(owner: Owner): Buffer {
  return encodeJson(owner)
}

export function decodeOwner(payload: Buffer): Owner {
  return JSON.parse(payload.toString()) as Owner
}

/** The first record of a database. */
export interface Format {
  readonly version: number
  /** Random; ties the anchor to this database. */
  readonly store: string
}

export function encodeFormat(format: Format): Buffer {
  return encodeJson(format)
}

export function decodeFormat(payload: Buffer): Format {
  return JSON.parse(payload.toString()) as Format
}

export function encodeText(text: string): Buffer {
  return Buffer.from(text)
}

/** The value of a record: RFC 8785. */
export function encodeValue(value: unknown): Buffer {
  return encodeJson(value)
}

export function decodeValue(payload: Buffer): unknown {
  return JSON.parse(payload.toString()) as unknown
}

function encodeJson(value: unknown): Buffer {
  return Buffer.from(canonicalize(value) ?? '')
}
