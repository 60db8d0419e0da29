import { setTimeout } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import { hexSha256, type Tail } from '../journal.ts'
import { journalKey } from '../keyspace.ts'
import { mustHaveRoom } from './room.ts'

/** Pauses between attempts to reopen the database, in milliseconds. */
const REOPEN_PAUSES = [100, 500, 2_000, 5_000]

/** Other handles of this process on the database. */
export interface OtherHandles {
  close(): Promise<void>
  open(): Promise<void>
}

/**
 * Closes the database on all handles and opens it again. Without room for that, leaves it open for reading.
 *
 * @param attempted the end of the journal if the failed write had succeeded
 * @returns true if it did succeed
 * @throws whatever prevents the reopening; the caller tries again
 */
export async function reopen(database: Database, others: readonly OtherHandles[], attempted: Tail): Promise<boolean> {
  await mustHaveRoom(database.directory)
  await Promise.all(others.map((each) => each.close()))
  await database.reopen()
  await Promise.all(others.map((each) => each.open()))
  const entry = database.get(journalKey(attempted.number))
  return entry !== undefined && hexSha256(entry) === attempted.hash
}

/** Retries after growing pauses until the work returns true or the signal aborts. */
export async function keepTrying(work: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const pause = REOPEN_PAUSES[Math.min(attempt, REOPEN_PAUSES.length - 1)] ?? 0
    await setTimeout(pause, undefined, { ref: false, signal }).catch(() => undefined)
    if (signal.aborted || (await work())) return
  }
}
