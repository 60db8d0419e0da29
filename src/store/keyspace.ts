import type { Gun } from '../tuf/gun.ts'

/**
 * The one place where database keys are built and parsed. The first byte says what a record is; names are
 * length-prefixed, so that no repository's keys can be taken for another one's. Numbers are big-endian, so that byte
 * order is their order.
 */
export type KeyKind = keyof typeof TAGS

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

export const formatKey = (): Buffer => tagged('format')
export const headKey = (gun: Gun): Buffer => tagged('head', Buffer.from(gun))
export const documentKey = (gun: Gun, role: string, sha256: string): Buffer =>
  tagged('document', name(gun), name(role), Buffer.from(sha256, 'hex'))
export const versionKey = (gun: Gun, role: string, version: number): Buffer =>
  tagged('version', name(gun), name(role), number(version))
export const keysKey = (gun: Gun, role: string): Buffer => tagged('keys', name(gun), name(role))
export const ownerKey = (keyId: string): Buffer => tagged('owner', Buffer.from(keyId))
export const dueKey = (renewAt: number, gun: Gun): Buffer => tagged('due', number(renewAt), Buffer.from(gun))
export const journalKey = (entry: number): Buffer => tagged('journal', number(entry))
export const recordKey = (kind: string, recordName: string): Buffer =>
  tagged('record', name(kind), Buffer.from(recordName))
export const historyKey = (gun: Gun, revision: number): Buffer => tagged('history', name(gun), number(revision))

/** Bounds of all keys of a kind, or of those of one repository: `gte` inclusive, `lt` exclusive. */
export function rangeOf(kind: 'document' | 'version' | 'history' | 'keys', gun: Gun): { gte: Buffer; lt: Buffer } {
  const gte = tagged(kind, name(gun))
  return { gte, lt: successor(gte) }
}

/** Records of one kind whose name begins with `prefix`. */
export function rangeOfRecords(kind: string, prefix: string): { gte: Buffer; lt: Buffer } {
  const gte = recordKey(kind, prefix)
  return { gte, lt: successor(gte) }
}

export function rangeOfKind(kind: KeyKind): { gte: Buffer; lt: Buffer } {
  const gte = tagged(kind)
  return { gte, lt: successor(gte) }
}

/** Exclusive end of the keys that are due at or before `time`, milliseconds since 1970. */
export function dueUntil(time: number): Buffer {
  return tagged('due', number(Math.floor(time) + 1))
}

/** What a key names, for audits and iteration; undefined for a key that this file did not build. */
export function parseKey(key: Buffer): { kind: KeyKind; parts: (string | number)[] } | undefined {
  const kind = (Object.keys(TAGS) as KeyKind[]).find((each) => TAGS[each].charCodeAt(0) === key[0])
  if (kind === undefined) return undefined
  const rest = key.subarray(1)
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

/** A length-prefixed name, and all that follows as another one. */
function withRest(kind: KeyKind, rest: Buffer): { kind: KeyKind; parts: string[] } | undefined {
  const end = rest.length < 2 ? Infinity : 2 + rest.readUInt16BE(0)
  return end < rest.length ? { kind, parts: [rest.toString('utf8', 2, end), rest.toString('utf8', end)] } : undefined
}

function tagged(kind: KeyKind, ...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(TAGS[kind]), ...parts])
}

function name(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function readNumber(bytes: Buffer): number {
  return Number(bytes.readBigUInt64BE(0))
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
