import type { Gun } from '../tuf/gun.ts'

/**
 * Builds and parses all database keys. The first byte tells the kind of record. Names are length-prefixed, so that no
 * key of a repository can be taken for one of another repository. Numbers are big-endian, so that they sort as bytes.
 */
type KeyKind = keyof typeof TAGS

const TAGS = {
  /** Format version and store id; the first record ever written. */
  format: 'f',
  /** gun → Head. */
  head: 'h',
  /** gun, role, sha256 → document. */
  document: 'd',
  /** gun, role, version → sha256. */
  version: 'v',
  /** gun, role → the keys that the server made. */
  keys: 'k',
  /** key id → gun and role that it was made for. */
  owner: 'o',
  /** renewAt, gun → nothing: the index of due times. */
  due: 't',
  /** number → journal entry. */
  journal: 'j',
  /** gun, revision → number of the journal entry. */
  history: 'g',
  /** kind, name → JSON value. */
  record: 'r',
} as const

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
  const kind = (Object.keys(TAGS) as KeyKind[]).find((each) => TAGS[each].charCodeAt(0) === bytes[0])
  if (kind === undefined) return undefined
  const rest = bytes.subarray(1)
  switch (kind) {
    case 'format':
      return rest.length === 0 ? { kind, parts: [] } : undefined
    case 'head':
    case 'owner':
      return { kind, parts: [rest.toString()] }
    case 'due':
      return rest.length > 8 ? { kind, parts: [readNumber(rest), rest.toString('utf8', 8)] } : undefined
    case 'record':
      return withRest(kind, rest)
    case 'journal':
      return rest.length === 8 ? { kind, parts: [readNumber(rest)] } : undefined
    case 'history':
      return withNames(kind, rest, 1, 8)
    case 'keys':
      return withNames(kind, rest, 2, 0)
    case 'version':
      return withNames(kind, rest, 2, 8)
    case 'document':
      return withNames(kind, rest, 2, 32)
  }
}

/** Describes a key: `head docker.io/acme/app`, `user alice`. */
export function nameOf(key: Buffer): string {
  const { kind, parts } = parseKey(key) ?? { kind: 'key', parts: [key.toString('hex')] }
  const words = kind === 'record' ? parts : [kind, ...parts]
  return words.map((word) => (word === '' ? '(server)' : word)).join(' ')
}

function withNames(
  kind: KeyKind,
  rest: Buffer,
  names: number,
  tail: number,
): { kind: KeyKind; parts: (string | number)[] } | undefined {
  const parts: (string | number)[] = []
  let at = 0
  for (let each = 0; each < names; each += 1) {
    if (at + 2 > rest.length) return undefined
    const end = at + 2 + rest.readUInt16BE(at)
    parts.push(rest.toString('utf8', at + 2, end))
    at = end
  }
  if (rest.length - at !== tail) return undefined
  if (tail === 8) parts.push(readNumber(rest.subarray(at)))
  if (tail === 32) parts.push(rest.toString('hex', at))
  return { kind, parts }
}

/** Parses a length-prefixed name, followed by another name up to the end. */
function withRest(kind: KeyKind, rest: Buffer): { kind: KeyKind; parts: string[] } | undefined {
  const end = rest.length < 2 ? Infinity : 2 + rest.readUInt16BE(0)
  return end < rest.length ? { kind, parts: [rest.toString('utf8', 2, end), rest.toString('utf8', end)] } : undefined
}

/** A part of a key: writes itself into the draft at this position. @returns where the next part begins */
type Part = (at: number) => number

/** Buffer for building keys, which are then copied out: every commit needs dozens. */
const draft = Buffer.alloc(4_096)

function key(kind: KeyKind, ...parts: readonly Part[]): Buffer {
  draft.writeUInt8(TAGS[kind].charCodeAt(0))
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

function readNumber(bytes: Buffer): number {
  return Number(bytes.readBigUInt64BE(0))
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
