import { damageIn, TrustError, unlessDamaged } from '../errors.ts'
import type { Anchor } from './anchor.ts'
import { damagedFiles, hasTrap, type Damage } from './database/damaged-files.ts'
import type { Database } from './database/database.ts'
import { disarm } from './database/disarm.ts'
import { openRecord } from './database/record.ts'
import type { Records } from './database/records.ts'
import { parseEntry } from './journal.ts'
import { rangeOfKind } from './keyspace.ts'
import { readerOver, type StoreReader } from './reader.ts'
import { Writes } from './writes.ts'

/** A store as it was at one moment. */
export interface StoreSnapshot {
  readonly records: Records
  readonly reader: StoreReader
  /** The anchor from just before the snapshot, so that the journal reaches it; or why it cannot be read. */
  readonly anchor: Anchor | TrustError
  /** Damage to the database's files, found just before the snapshot. If any of it is a trap, nothing may be read. */
  readonly damage: readonly Damage[]
  close(): Promise<void>
}

/**
 * Returns a snapshot of everything, for an audit of a running server. The caller closes it.
 *
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function snapshotOf(database: Database, readAnchor: () => Promise<Anchor>): Promise<StoreSnapshot> {
  const damage = await Promise.all((await damagedFiles(database.directory)).map(disarm))
  const anchor = await readAnchor().catch(damageIn)
  const records = database.snapshot()
  try {
    const anchored = anchor instanceof TrustError ? 0 : anchor.number
    const number = hasTrap(damage) ? anchored : Math.max(anchored, await lastWholeEntry(records))
    return {
      records,
      reader: readerOver(records, () => ({ number }), new Writes()),
      anchor,
      damage,
      close: () => records.close(),
    }
  } catch (error) {
    await records.close()
    throw error
  }
}

/** Returns the number of the last readable journal entry. An audit, which walks all records, finds later ones anyway. */
async function lastWholeEntry(records: Records): Promise<number> {
  try {
    for await (const { key, record } of records.rawEntries({ ...rangeOfKind('journal'), reverse: true })) {
      const entry = unlessDamaged(() => parseEntry(openRecord(key, record)))
      if (entry !== undefined) return entry.number
    }
  } catch (error) {
    damageIn(error)
  }
  return 0
}
