import type { Gun } from '../tuf/gun.ts'

/** A part of a key. A name is length-prefixed; a text goes on to the end. */
type PartKind = 'name' | 'text' | 'number' | 'hash'

/**
 * All database keys. The first byte tells the kind of record. Names are length-prefixed, so that no key of a repository can
 * be taken for one of another repository. Numbers are big-endian, so that they sort as bytes.
 */
const KINDS = {
  /** Format version and store id; the first record ever written. */
  format: { tag: 'f', parts: [] },
  /** gun → Head. */
  head: { tag: 'h', parts: ['text'] },
  /** gun, role, sha256 → document. */
  document: { tag: 'd', parts: ['name', 'name', 'hash'] },
  /** gun, role, version → sha256. */
  version: { tag: 'v', parts: ['name', 'name', 'number'] },
  /** gun, role → the keys that the server made. */
  keys: { tag: 'k', parts: ['name', 'name'] },
  /** key id → gun and role that it was made for. */
  owner: { tag: 'o', parts: ['text'] },
  /** renewAt, gun → nothing: the index of due times. */
  due: { tag: 't', parts: ['number', 'text'] },
  /** number → journal entry. */
  journal: { tag: 'j', parts: ['number'] },
  /** gun, revision → number of the journal entry. */
  history: { tag: 'g', parts: ['name', 'number'] },
  /** kind, name → JSON value. */
  record: { tag: 'r', parts: ['name', 'text'] },
} as const satisfies Readonly<Record<string, { readonly tag: string; readonly parts: readonly PartKind[] }>>

type KeyKind = keyof typeof KINDS

export const formatKey = (): Buffer => key('format')
export const headKey = (gun: Gun): Buffer => key('head', text(gun))
export const documentKey = (gun: Gun, role: string, sha256: string): Buffer =>
  key('document', name(gun), name(role), hex(sha256))
export const versionKey = (gun: Gun, role: string, version: number): Buffer =>
  key('version', name(gun), name(role), number(version))
export const keysKey = (gun: Gun, role: string): Buffer => key('keys', name(gun), name(role))
export const ownerKey = (keyId: string): Buffer => key('owner', text(keyId))
export const dueKey = (renewAt: number, gun: Gun): Buffer => key('due', number(renewAt), text(gun))
export const journalKey = (entry: number): Buffer => key('journal', number(entry))
export const recordKey = (kind: string, recordName: string): Buffer => key('record', name(kind), text(recordName))
export const historyKey = (gun: Gun, revision: number): Buffer => key('history', name(gun), number(revision))

/** Bounds of keys: `gte` inclusive, `lt` exclusive. */
interface Bounds {
  readonly gte: Buffer
  readonly lt: Buffer
}

export const rangeOfKind = (kind: KeyKind): Bounds => from(key(kind))
export const rangeOf = (kind: 'document' | 'version' | 'keys', gun: Gun): Bounds => from(key(kind, name(gun)))
export const rangeOfRecords = (kind: string): Bounds => from(key('record', name(kind)))

/** Returns the exclusive end of the keys due at or before `time`, milliseconds since 1970. */
export function dueUntil(time: number): Buffer {
  return key('due', number(Math.floor(time) + 1))
}

/** Parses a key, for audits and iteration; undefined for a key that this file did not build. */
export function parseKey(bytes: Buffer): { kind: KeyKind; parts: (string | number)[] } | undefined {
  const kind = (Object.keys(KINDS) as KeyKind[]).find((each) => KINDS[each].tag.charCodeAt(0) === bytes[0])
  if (kind === undefined) return undefined
  const parts: (string | number)[] = []
  let at = 1
  for (const part of KINDS[kind].parts) {
    const end = endOf(part, bytes, at)
    if (end > bytes.length) return undefined
    parts.push(readPart(part, bytes, at, end))
    at = end
  }
  return at === bytes.length ? { kind, parts } : undefined
}

/** Returns where a part ends; beyond the bytes if they are too few. */
function endOf(part: PartKind, bytes: Buffer, at: number): number {
  switch (part) {
    case 'name':
      return at + 2 > bytes.length ? Infinity : at + 2 + bytes.readUInt16BE(at)
    case 'text':
      return bytes.length
    case 'number':
      return at + 8
    case 'hash':
      return at + 32
  }
}

function readPart(part: PartKind, bytes: Buffer, at: number, end: number): string | number {
  if (part === 'number') return Number(bytes.readBigUInt64BE(at))
  if (part === 'hash') return bytes.toString('hex', at, end)
  return bytes.toString('utf8', part === 'name' ? at + 2 : at, end)
}

/** Describes a key: `head docker.io/acme/app`, `user alice`. */
export function nameOf(key: Buffer): string {
  const { kind, parts } = parseKey(key) ?? { kind: 'key', parts: [key.toString('hex')] }
  const words = kind === 'record' ? parts : [kind, ...parts]
  return words.map((word) => (word === '' ? '(server)' : word)).join(' ')
}

/** A part of a key: writes itself into the draft at this position. @returns where the next part begins */
type Part = (at: number) => number

/** Buffer for building keys, which are then copied out: every commit needs dozens. */
const draft = Buffer.alloc(4_096)

function key(kind: KeyKind, ...parts: readonly Part[]): Buffer {
  draft.writeUInt8(KINDS[kind].tag.charCodeAt(0))
  const length = parts.reduce((at, part) => part(at), 1)
  return Buffer.from(draft.subarray(0, length))
}

/** A name at the end of a key; no other part may follow. */
function text(characters: string): Part {
  return (at) => at + write(characters, at)
}

/** A length-prefixed name; other parts may follow. */
function name(characters: string): Part {
  return (at) => {
    const length = write(characters, at + 2)
    draft.writeUInt16BE(length, at)
    return at + 2 + length
  }
}

function number(value: number): Part {
  return (at) => draft.writeBigUInt64BE(BigInt(value), at)
}

function hex(digits: string): Part {
  return (at) => at + draft.write(digits, at, 'hex')
}

/** @throws RangeError rather than truncate: a truncated key could be taken for another one */
function write(characters: string, at: number): number {
  const length = draft.write(characters, at)
  if (at + length > draft.length - 4) throw new RangeError('a key of more than 4 KB')
  return length
}

/** Returns the bounds of all keys that begin with this prefix. */
function from(prefix: Buffer): Bounds {
  return { gte: prefix, lt: successor(prefix) }
}

function successor(prefix: Buffer): Buffer {
  const next = Buffer.from(prefix)
  for (let at = next.length - 1; at >= 0; at -= 1) {
    const byte = next[at] ?? 0
    if (byte < 0xff) {
      next[at] = byte + 1
      return next.subarray(0, at + 1)
    }
  }
  throw new RangeError('a prefix of 0xff bytes only')
}
