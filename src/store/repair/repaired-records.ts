import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import { Books } from '../audit/books.ts'
import type { Write } from '../database/database.ts'
import type { Records } from '../database/records.ts'
import { decodeDocument, encodeFormat } from '../encoding.ts'
import { OTHER_ANCHOR_HINT } from '../hints.ts'
import { FORMAT_VERSION, readFormat } from '../intact.ts'
import { formatKey, nameOf, parseKey } from '../keyspace.ts'
import { withoutBlocking } from '../without-blocking.ts'
import { endWithoutAnchor } from './journal-end.ts'
import { LostEntries } from './lost-entries.ts'
import { MendedJournal } from './mended-journal.ts'
import { MendedRecords, type Mended, type ProposeHeads } from './mended-records.ts'
import { wholeIn, type Origin, type Sources } from './sources.ts'
import { fateOfStray } from './strays.ts'
import { survey } from './survey.ts'
import { walkBothWays } from './view.ts'

/** The input of a repair. */
export interface RepairParts {
  readonly damaged: Records
  /** True if some of its tables may be gone, so that it may have older records than it had. */
  readonly mayBeOlder: boolean
  /** Directory of the damaged database, for errors. */
  readonly directory: string
  /** Records lost there are taken from here, if they have the hash that the damaged store's journal names. */
  readonly backup: Records | undefined
  /** Undefined if the journal ends where the database says. */
  readonly anchor?: Anchor | undefined
  /** An anchor that does not count, but shows how much is given up. */
  readonly ignoredAnchor?: Anchor | undefined
  readonly proposeHeads: ProposeHeads
  /** Aborts when nobody waits for the repair any more. */
  readonly gone: AbortSignal
}

/** The result of a repair, with records by name. */
export interface Repaired {
  /** Number of the newest journal entry. */
  commits: number
  /** When that was committed, ISO 8601; null if there is none, or it cannot be recovered. */
  newest: string | null
  /** How many commits are given up, according to an anchor that did not count. */
  givenUp: number
  /** How many records were taken as they are. */
  whole: number
  readonly repaired: { readonly record: string; readonly from: Exclude<Origin, 'whole'> }[]
  /** Records that cannot be recovered: they stay damaged, and readers refuse them. */
  readonly lost: string[]
  /** Records that no journal entry names; they are not taken. */
  readonly left: string[]
  /** Records that no readable journal entry names, but a lost one may; they are taken. */
  readonly unnamed: string[]
}

/**
 * Yields all records of a store, recovered as far as possible. Never replaces lost records by older ones: only what the
 * journal names counts, and the journal must reach the anchor if there is one that counts.
 *
 * @param done gets the result while the records are read
 * @throws TrustError DATA_DAMAGED if the journal does not reach the anchor, or its end is damaged; WRONG_STATE if the
 *   backup is of another server or, without an anchor that counts, continues after the journal's end; DATA_NEWER; the
 *   reason of an abort
 */
export async function* repairedRecords(parts: RepairParts, done: Repaired): AsyncGenerator<Write> {
  const { damaged, backup, ignoredAnchor, proposeHeads, gone } = parts
  const surveyed = await survey(damaged, backup, gone)
  const { sources } = surveyed
  const anchor = parts.anchor ?? endWithoutAnchor(damaged, parts.directory, surveyed, ignoredAnchor)
  mustBelong(parts, anchor)
  const journal = new MendedJournal(sources, anchor, surveyed.newest, parts.mayBeOlder)
  const books = new Books()
  for (let number = 1; number <= journal.end; number += 1) {
    const entry = journal.entry(number)
    if (entry !== undefined) books.add(entry)
  }
  done.commits = journal.end
  done.newest = journal.entry(journal.end)?.time ?? null
  if (ignoredAnchor?.store === anchor.store) done.givenUp = Math.max(0, ignoredAnchor.number - journal.end)
  const lost = new LostEntries(journal.lost, surveyed.owners)
  const records = new MendedRecords(surveyed, journal, lost, books, proposeHeads)
  const taken = new Set<string>()
  const take = (mended: Mended): Write => {
    taken.add(mended.key.toString('latin1'))
    return settle(mended, sources, done)
  }
  yield take(records.withPayload(formatKey(), encodeFormat({ version: FORMAT_VERSION, store: anchor.store })))
  for await (const mended of withoutBlocking(records.all())) {
    gone.throwIfAborted()
    yield take(mended)
  }
  for await (const { key } of walkBothWays(damaged)) {
    if (taken.has(key.toString('latin1'))) continue
    const fate = fateOfStray(key, surveyed, books, lost)
    if (fate === 'left') done.left.push(nameOf(key))
    else if (fate === 'lost') yield settle({ key, found: undefined }, sources, done)
    else {
      done.unnamed.push(nameOf(key))
      yield { key, payload: fate.kept }
    }
  }
}

/**
 * Checks that database, anchor and backup belong together. If the first record of the database cannot be read, the anchor
 * decides.
 *
 * @throws TrustError DATA_DAMAGED, DATA_NEWER, WRONG_STATE
 */
function mustBelong({ damaged, directory, backup }: RepairParts, anchor: Anchor): void {
  const isOther = (records: Records, where: string): boolean =>
    wholeIn(records, formatKey()) !== undefined && readFormat(records, where).store !== anchor.store
  if (isOther(damaged, directory)) {
    throw new TrustError('DATA_DAMAGED', 'the anchor belongs to another database', {
      hint: OTHER_ANCHOR_HINT,
    })
  }
  if (backup !== undefined && isOther(backup, 'the backup')) {
    throw new TrustError('WRONG_STATE', 'the backup is from another server', { hint: 'use a backup of this server' })
  }
}

/** Adds a record to the result, and returns what to write for it. */
function settle({ key, found }: Mended, sources: Sources, done: Repaired): Write {
  if (found === undefined) {
    done.lost.push(nameOf(key))
    return { key, asFound: refusedRecord(key, sources) }
  }
  if (found.origin === 'whole') done.whole += 1
  else done.repaired.push({ record: nameOf(key), from: found.origin })
  return { key, payload: found.payload }
}

/**
 * Returns a record that readers refuse, for one that cannot be recovered: the damaged one, since another backup may help
 * later. If there is none, or an older one in its place, an empty record: an absent one would seem never to have existed.
 */
function refusedRecord(key: Buffer, sources: Sources): Buffer {
  const raw = sources.raw(key)
  if (!Buffer.isBuffer(raw)) return Buffer.alloc(0)
  const whole = sources.whole(key)
  const onlyItsBaseIsLost =
    whole !== undefined && parseKey(key)?.kind === 'document' && decodeDocument(whole).packed.form === 'difference'
  return whole === undefined || onlyItsBaseIsLost ? raw : Buffer.alloc(0)
}
