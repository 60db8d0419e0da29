import type { JournalEntry, JournalQuery, Store } from '../store/store.ts'
import { withoutBlocking } from '../store/without-blocking.ts'
import type { Gun } from '../tuf/gun.ts'

/** A record of Notary's changefeed, with members in wire order (wire spec §10). */
interface ChangeRecord {
  readonly ID: string
  readonly CreatedAt: string
  readonly GUN: string
  readonly Version: number
  readonly SHA256: string
  readonly Category: 'update' | 'deletion'
}

interface ChangefeedQuery {
  /** Only this repository; undefined for all. */
  readonly gun?: Gun | undefined
  /** How many; negative for the newest ones. 0 means 100. */
  readonly records: number
  /** Exclusive bound: records above it going forward, below it going backward. Negative: backward from the newest. */
  readonly changeId: number
}

/** Records per answer. */
const RECORDS_DEFAULT = 100
const RECORDS_MAX = 10_000

/**
 * Returns the changefeed, read from the journal: one record for each stored timestamp and each effective delete. Always
 * oldest first, whichever way it was selected.
 *
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE
 */
export async function changefeed(store: Store, query: ChangefeedQuery): Promise<ChangeRecord[]> {
  const { gun, records, changeId } = query
  const backward = records < 0 || changeId < 0
  const wanted = Math.min(Math.abs(records) || RECORDS_DEFAULT, RECORDS_MAX)
  const before = changeId > 0 ? changeId : store.tail().number + 1
  const found: ChangeRecord[] = []
  const range: JournalQuery = backward ? { before } : { after: changeId }
  for await (const entry of withoutBlocking(store.journal({ ...range, gun }))) {
    const record = recordOf(entry)
    if (record !== undefined && found.push(record) === wanted) break
  }
  return backward ? found.toReversed() : found
}

function recordOf(entry: JournalEntry): ChangeRecord | undefined {
  const timestamp = entry.documents.find((document) => document.role === 'timestamp')
  if (timestamp === undefined && entry.kind !== 'delete') return undefined
  return {
    ID: String(entry.number),
    CreatedAt: entry.time,
    GUN: entry.gun,
    Version: timestamp?.version ?? 0,
    SHA256: timestamp?.sha256 ?? '',
    Category: timestamp === undefined ? 'deletion' : 'update',
  }
}
