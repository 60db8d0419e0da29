import { damageIn, TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Records } from './database/records.ts'
import { DAMAGED_HINT } from './hints.ts'
import { decodeNumber, parseEntry } from './journal.ts'
import { historyKey, journalKey } from './keyspace.ts'
import type { JournalEntry, JournalQuery, Store } from './store.ts'

/** A journal entry that cannot be read, and why. */
export interface DamagedEntry {
  readonly number: number
  readonly damaged: string
}

/** Reads one entry. @returns undefined if there is no such entry yet */
function entryAt(store: Pick<Store, 'journal'>, number: number): JournalEntry | DamagedEntry | undefined {
  try {
    const [entry] = store.journal({ after: number - 1 })
    return entry
  } catch (error) {
    return { number, damaged: damageIn(error).message }
  }
}

/**
 * Yields entries by number, for callers that report damaged entries instead of stopping at them.
 *
 * @param first number of the first entry
 * @param step 1 to go on to the newest; -1 to the oldest
 */
export function* entriesFrom(
  store: Pick<Store, 'journal'>,
  first: number,
  step: 1 | -1,
): IterableIterator<JournalEntry | DamagedEntry> {
  for (let number = first; number > 0; number += step) {
    const entry = entryAt(store, number)
    if (entry === undefined) return
    yield entry
  }
}

/** As `entriesFrom`, for the given numbers. */
export function* entriesAt(
  store: Pick<Store, 'journal'>,
  numbers: Iterable<number>,
): IterableIterator<JournalEntry | DamagedEntry> {
  for (const number of numbers) {
    const entry = entryAt(store, number)
    if (entry !== undefined) yield entry
  }
}

/**
 * Yields entries lazily, in the order of the query.
 *
 * @param newest number of the newest entry
 * @param revision of the query's repository, if it names one: there is one entry per revision
 * @throws TrustError CORRUPT if one is missing or damaged
 */
export function* readJournal(
  records: Records,
  newest: number,
  revision: number,
  query: JournalQuery,
): IterableIterator<JournalEntry> {
  const { gun, after = 0, before } = query
  const numberAt = gun === undefined ? (place: number): number => place : numberOfRevision(records, gun)
  const end = gun === undefined ? newest : revision
  if (before === undefined) {
    const first = placesUpTo(after, end, numberAt) + 1
    for (let place = first; place <= end; place += 1) yield readEntry(records, numberAt(place))
  } else {
    const last = placesUpTo(before - 1, end, numberAt)
    for (let place = last; place >= 1; place -= 1) yield readEntry(records, numberAt(place))
  }
}

/** Counts the entries with numbers up to this one, by binary search. */
function placesUpTo(number: number, end: number, numberAt: (place: number) => number): number {
  let [least, most] = [0, end]
  while (least < most) {
    const middle = Math.ceil((least + most) / 2)
    if (numberAt(middle) <= number) least = middle
    else most = middle - 1
  }
  return least
}

/** Reads an entry. @throws TrustError CORRUPT if it is missing or damaged */
export function readEntry(records: Records, number: number): JournalEntry {
  const payload = records.get(journalKey(number))
  if (payload === undefined)
    throw new TrustError('CORRUPT', `journal entry ${number} is missing`, { hint: DAMAGED_HINT })
  return parseEntry(payload)
}

/** Returns the number of the entry that made a repository's revision; undefined if none did. @throws TrustError CORRUPT */
export function entryNumber(records: Records, gun: Gun, revision: number): number | undefined {
  const payload = records.get(historyKey(gun, revision))
  return payload && decodeNumber(payload)
}

function numberOfRevision(records: Records, gun: Gun): (revision: number) => number {
  return (revision) => {
    const number = entryNumber(records, gun, revision)
    if (number === undefined)
      throw new TrustError('CORRUPT', `the history of ${gun} lacks revision ${revision}`, { hint: DAMAGED_HINT })
    return number
  }
}
