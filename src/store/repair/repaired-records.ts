import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import { Books } from '../audit/books.ts'
import type { Write } from '../database/database.ts'
import type { Records } from '../database/records.ts'
import { decodeDocument, encodeFormat } from '../encoding.ts'
import { OTHER_ANCHOR_HINT } from '../hints.ts'
import { inTurns } from '../in-turns.ts'
import { FORMAT_VERSION, readFormat } from '../intact.ts'
import { formatKey, nameOf, parseKey } from '../keyspace.ts'
import { endWithoutAnchor } from './journal-end.ts'
import { LostEntries } from './lost-entries.ts'
import { MendedJournal } from './mended-journal.ts'
import { MendedRecords, type Mended, type ProposeHeads } from './mended-records.ts'
import { wholeIn, type Origin, type Sources } from './sources.ts'
import { fateOfStray } from './strays.ts'
import { survey } from './survey.ts'
import { walkAround } from './view.ts'

/** What a store is repaired of. */
export interface RepairParts {
  readonly damaged: Records
  /** True if tables of it may be gone: what it has of a key may be older than what it had. */
  readonly mayBeOlder: boolean
  /** For errors: where that lies. */
  readonly directory: string
  /** What cannot be had from it may be taken from here, if its hash is what the damaged store's journal says. */
  readonly backup: Records | undefined
  /** Undefined: the journal ends where the database says. */
  readonly anchor?: Anchor | undefined
  /** One that does not count: it tells how much is given up. */
  readonly ignoredAnchor?: Anchor | undefined
  readonly proposeHeads: ProposeHeads
  /** Aborted: nobody waits for it any more. */
  readonly gone: AbortSignal
}

/** What became of the records, by their names. */
export interface Repaired {
  /** Number of the newest journal entry. */
  commits: number
  /** When that was committed, ISO 8601; null if there is none, or it cannot be had. */
  newest: string | null
  /** How many commits are given up: an anchor that did not count names them. */
  givenUp: number
  /** How many were taken as they are. */
  whole: number
  readonly repaired: { readonly record: string; readonly from: Exclude<Origin, 'whole'> }[]
  /** What cannot be had: it stays damaged, and is refused. */
  readonly lost: string[]
  /** What no journal entry names, and is not taken. */
  readonly left: string[]
  /** What no journal entry that can be read names: one that is lost may, so it is taken. */
  readonly unnamed: string[]
}

/**
 * All records of a store, made whole as far as it can be done. Nothing older takes the place of what is lost: what the
 * journal names counts, and it must reach the anchor, if that counts.
 *
 * @param done told what became of them, while they are read
 * @throws TrustError DATA_DAMAGED if the journal does not reach the anchor, or its end is damaged; WRONG_STATE if it counts no
 *   anchor, and the backup goes on after its end, or is of another server; DATA_NEWER; why it was aborted
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
  yield take(records.must(formatKey(), encodeFormat({ version: FORMAT_VERSION, store: anchor.store })))
  for await (const mended of inTurns(records.all())) {
    gone.throwIfAborted()
    yield take(mended)
  }
  for await (const { key } of walkAround(damaged)) {
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
 * Of a database whose first record cannot be read the anchor tells what it is.
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
    throw new TrustError('WRONG_STATE', 'the backup is of another server', { hint: 'name one of this server' })
  }
}

/** Count a record in, and say what is to be written of it. */
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
 * Of what cannot be had, a record that no reader takes: the damaged one, as another backup may help it later. Where there is
 * none, or an older one stands in its place, an empty one: what is absent would be taken for what was never there.
 */
function refusedRecord(key: Buffer, sources: Sources): Buffer {
  const raw = sources.raw(key)
  if (!Buffer.isBuffer(raw)) return Buffer.alloc(0)
  const whole = sources.whole(key)
  const onlyItsBaseIsLost =
    whole !== undefined && parseKey(key)?.kind === 'document' && decodeDocument(whole).packed.form === 'difference'
  return whole === undefined || onlyItsBaseIsLost ? raw : Buffer.alloc(0)
}
