import { setImmediate } from 'node:timers/promises'
import { damageIn, TrustError } from '../../errors.ts'
import { SERVER, type Gun } from '../../tuf/gun.ts'
import type { Anchor } from '../anchor.ts'
import { openRecord } from '../database/record.ts'
import { encodeValue } from '../encoding.ts'
import { entriesAt, entriesFrom } from '../journal-reader.ts'
import { entryBytes, EMPTY_TAIL, hexSha256 } from '../journal.ts'
import { formatKey, historyKey, journalKey, nameOf, parseKey, recordKey } from '../keyspace.ts'
import type { StoreReader } from '../reader.ts'
import type { StoreSnapshot } from '../snapshot.ts'
import type { RecordKind } from '../store.ts'
import { withoutBlocking } from '../without-blocking.ts'
import { Account, checkAccount } from './account.ts'
import { Values, type Value } from './books.ts'
import { ExpectedRecords } from './expected-records.ts'

/** A fault found in a store. */
export interface Finding {
  /** `error`: damage, or something that clients refuse; `warning`: something that people should know. */
  readonly severity: 'error' | 'warning'
  /** The repository that it concerns, if any. */
  readonly gun?: string
  readonly text: string
}

/** Number of records in a store, by kind. */
export type RecordCounts = Record<string, number>

/**
 * Audits a store: every record must be whole and found both by iterating and by its key, the journal must be an unbroken
 * chain up to the anchor, and everything else must be exactly what the journal says.
 *
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function auditStore(
  { records, reader, anchor }: StoreSnapshot,
  report: (finding: Finding) => void,
): Promise<RecordCounts> {
  const error: Report = (text, gun = SERVER) => report({ severity: 'error', text, ...(gun === SERVER ? {} : { gun }) })
  const expected = new ExpectedRecords()
  if (anchor instanceof TrustError) {
    error(`${anchor.message}: no server starts like that; put the anchor of a new backup there, and restart the server`)
  }
  await compareRecords(reader, expected, error, anchor instanceof TrustError ? undefined : anchor)
  const { counts, whole } = await countRecords(records, expected, error)
  // Only hashes of the missing keys are known: read the journal once more for their names.
  const name = (key: Buffer): void => {
    if (expected.remove(key)) error(`the record "${nameOf(key)}" is missing`)
  }
  if (whole && expected.left > 0) await compareRecords(reader, { add: name }, () => undefined)
  return counts
}

type Report = (text: string, gun?: string) => void
type Expect = Pick<ExpectedRecords, 'add'>

/**
 * Compares the stored records with the journal, one repository after the other. To save memory, keeps only the numbers of
 * their entries for all of them at once.
 *
 * @param expected gets the key of each record that must exist
 * @param anchor compared with the entry that it names
 */
async function compareRecords(reader: StoreReader, expected: Expect, error: Report, anchor?: Anchor): Promise<void> {
  expected.add(formatKey())
  const values = new Values()
  const numbersOf = new Map<Gun, number[]>()
  let previous: string | undefined = EMPTY_TAIL.hash
  for await (const entry of withoutBlocking(entriesFrom(reader, 1, 1))) {
    expected.add(journalKey(entry.number))
    if ('damaged' in entry) {
      // `countRecords` reports it; the next entry cannot be compared with it.
      previous = undefined
      continue
    }
    if (previous !== undefined && entry.previous !== previous) {
      error(`journal entry ${entry.number} does not follow the one before it`)
    }
    previous = hexSha256(entryBytes(entry))
    if (entry.number === anchor?.number && previous !== anchor.hash) {
      error(`journal entry ${entry.number} is not the one that the anchor names`)
    }
    const gun = entry.gun as Gun
    const numbers = numbersOf.get(gun) ?? []
    numbersOf.set(gun, numbers)
    numbers.push(entry.number)
    values.add(entry)
    expected.add(historyKey(gun, entry.revision))
  }
  for (const [gun, numbers] of numbersOf) {
    await setImmediate()
    const account = new Account()
    for await (const entry of withoutBlocking(entriesAt(reader, numbers))) if (!('damaged' in entry)) account.add(entry)
    await checkAccount(gun, account, reader, expected, (text) => error(text, gun))
  }
  for (const value of values.values) checkValue(value, reader, expected, error)
}

function checkValue({ kind, name, sha256 }: Value, reader: StoreReader, expected: Expect, error: Report): void {
  if (sha256 === null) return
  expected.add(recordKey(kind, name))
  try {
    const value = reader.record(kind as RecordKind, name)
    if (value === undefined || hexSha256(encodeValue(value)) !== sha256) {
      error(`the ${kind} "${name}" is missing or was changed`)
    }
  } catch (cause) {
    error(damageIn(cause).message)
  }
}

/**
 * Walks all records: each must be whole, expected, and the same when read by its key.
 *
 * @returns `whole`: true if the walk reached the end
 */
async function countRecords(
  records: StoreSnapshot['records'],
  expected: ExpectedRecords,
  error: Report,
): Promise<{ counts: RecordCounts; whole: boolean }> {
  const counts: RecordCounts = {}
  let where = 'the first one'
  try {
    for await (const { key, record } of records.rawEntries({})) {
      const parsed = parseKey(key)
      where = nameOf(key)
      try {
        const payload = openRecord(key, record)
        if (records.get(key)?.equals(payload) !== true) error(`the record "${where}" is not found by its key`)
      } catch (cause) {
        error(damageIn(cause).message)
      }
      if (!expected.remove(key)) error(`the record "${where}" is in no journal entry`)
      if (parsed !== undefined) counts[parsed.kind] = (counts[parsed.kind] ?? 0) + 1
    }
  } catch (cause) {
    error(`the records from "${where}" on cannot be listed: ${damageIn(cause).message}`)
    return { counts, whole: false }
  }
  return { counts, whole: true }
}
