import { hash } from 'node:crypto'
import { TrustError } from '../errors.ts'
import type { Commit, JournalEntry } from './store.ts'

/** The end of the journal: its newest entry. */
export interface Tail {
  /** 0 for an empty journal. */
  readonly number: number
  /** Hex SHA-256 of the newest entry; 64 zeros for an empty journal. */
  readonly hash: string
  /** Milliseconds since 1970; 0 for an empty journal. */
  readonly time: number
}

export const EMPTY_TAIL: Tail = { number: 0, hash: '0'.repeat(64), time: 0 }

/** How far the clock may be behind the newest entry before commits are refused, in milliseconds. */
const CLOCK_LEEWAY = 5 * 60_000

/**
 * Milliseconds since 1970, two years before the first version. A clock that says less was never set, as on a device without
 * a battery: what is made with it, roots and certificates, has ended when the clock is right.
 */
const EARLIEST = Date.UTC(2024, 0, 1)

/** Says why nothing can be committed at `time`, milliseconds since 1970; undefined if commits are possible. */
export function clockFault({ time: last = 0 }: Partial<Tail>, time: number): string | undefined {
  if (time < EARLIEST) return `the clock says ${new Date(time).toISOString()}, before Countersign was made`
  if (time >= last - CLOCK_LEEWAY) return undefined
  return `the clock says ${new Date(time).toISOString()}, the last commit was at ${new Date(last).toISOString()}`
}

/** @param time milliseconds since 1970 @throws TrustError CLOCK if the clock was never set */
export function mustBeSet(time: number): void {
  const fault = clockFault({}, time)
  if (fault !== undefined) throw new TrustError('CLOCK', fault, { hint: 'set the clock, then try again' })
}

/** Returns the time for a commit: never before the previous entry. @throws TrustError CLOCK */
export function commitTime(tail: Partial<Tail>, time: number): number {
  mustBeSet(time)
  const fault = clockFault(tail, time)
  if (fault === undefined) return Math.max(time, tail.time ?? 0)
  const hint = 'set the clock, or, if it was ahead before and is right now, accept it with "countersign clock --accept"'
  throw new TrustError('CLOCK', fault, { hint })
}

/**
 * Returns the entry that follows `tail`.
 *
 * @param written what the commit writes, as named in the journal
 * @param time milliseconds since 1970
 */
export function entryOf(
  tail: Tail,
  commit: Pick<Commit, 'gun' | 'kind' | 'actor' | 'changes' | 'roles'>,
  written: Pick<JournalEntry, 'revision' | 'documents' | 'keys' | 'records' | 'head'>,
  time: number,
): JournalEntry {
  const { gun, kind, actor, changes = [], roles = [] } = commit
  return {
    number: tail.number + 1,
    previous: tail.hash,
    time: new Date(time).toISOString(),
    gun,
    kind,
    actor,
    changes,
    ...(roles.length === 0 ? {} : { roles }),
    ...written,
  }
}

/**
 * Returns the bytes of an entry, which its hash covers: canonical JSON (RFC 8785), as JSON.stringify writes it if the
 * members are sorted. A test compares it with `canonicalize`, which takes ten times as long.
 */
export function entryBytes(entry: JournalEntry): Buffer {
  const { number, previous, time, gun, kind, revision, actor, documents, keys, records, changes, roles, head } = entry
  const { address, name, requestId } = actor
  return Buffer.from(
    JSON.stringify({
      actor: { address, name, requestId },
      changes: changes.map(({ from, role, tag, to }) => ({ from, role, tag, to })),
      documents: documents.map(({ keyIds, role, sha256, version }) => ({ keyIds, role, sha256, version })),
      gun,
      head,
      keys: keys.map(({ keyId, role, sha256 }) => ({ keyId, role, sha256 })),
      kind,
      number,
      previous,
      records: records.map((record) => ({
        action: record.action,
        kind: record.kind,
        name: record.name,
        sha256: record.sha256,
      })),
      revision,
      roles: roles?.map(({ added, certified, paths, removed, role, threshold }) => ({
        added,
        certified: certified?.map(({ certificate, key }) => ({ certificate, key })),
        paths,
        removed,
        role,
        threshold,
      })),
      time,
    }),
  )
}

/** Returns the journal's end once this is its newest entry. @param bytes from `entryBytes` */
export function entryTail(entry: JournalEntry, bytes: Uint8Array): Tail {
  return { number: entry.number, hash: hexSha256(bytes), time: Date.parse(entry.time) }
}

export function parseEntry(bytes: Buffer): JournalEntry {
  return JSON.parse(bytes.toString()) as JournalEntry
}

export function hexSha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** Encodes the number of an entry, in digits. Not in `encoding.ts`, whose package is too much to load for a command. */
export function encodeNumber(number: number): Buffer {
  return Buffer.from(String(number))
}

export function decodeNumber(payload: Buffer): number {
  return Number(payload.toString())
}
