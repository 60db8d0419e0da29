import { setTimeout } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import { hexSha256, type Tail } from '../journal.ts'
import { journalKey } from '../keyspace.ts'
import { mustHaveRoom } from './room.ts'

/** Pauses between tries to open the database again, milliseconds. */
const REOPEN_PAUSES = [100, 500, 2_000, 5_000]

/** Other handles on the one database of this process. */
export interface OtherHandles {
  close(): Promise<void>
  open(): Promise<void>
}

/**
 * Close the database everywhere and open it again. Without room for that it is not even closed: it goes on being read.
 *
 * @param attempted the end of the journal, had the write that failed been done
 * @returns whether it was done all the same
 * @throws whatever stands in the way; to be tried again
 */
export async function reopen(database: Database, others: readonly OtherHandles[], attempted: Tail): Promise<boolean> {
  await mustHaveRoom(database.directory)
  await Promise.all(others.map((each) => each.close()))
  await database.reopen()
  await Promise.all(others.map((each) => each.open()))
  const entry = database.get(journalKey(attempted.number))
  return entry !== undefined && hexSha256(entry) === attempted.hash
}

/** Try again, after pauses that grow, until it works or nobody wants it any more. */
export async function keepTrying(work: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const pause = REOPEN_PAUSES[Math.min(attempt, REOPEN_PAUSES.length - 1)] ?? 0
    await setTimeout(pause, undefined, { ref: false, signal }).catch(() => undefined)
    if (signal.aborted || (await work())) return
  }
}
