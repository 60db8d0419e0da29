import { CommitPacker, type PackedCommit } from './commit/packed-commit.ts'
import { Database } from './database/database.ts'
import { readerOver } from './reader.ts'
import type { Store } from './store.ts'
import type { Writes } from './writes.ts'

/** A store whose database another thread of this process has opened, and writes. */
export interface SharedStore extends Store {
  /** Let go of the database, so that it can be closed. Reads throw STORE_UNAVAILABLE until `regain`. */
  release(): Promise<void>
  regain(): Promise<void>
}

/**
 * Read here, have another thread write. What is committed there is seen here at once: both read the one database.
 *
 * @param journalEnd number of the newest journal entry
 * @param writes as that thread counts them
 * @param write commits, in the thread that writes
 */
export async function openSharedStore(
  directory: string,
  journalEnd: () => number,
  writes: Writes,
  write: (commit: PackedCommit) => Promise<number>,
): Promise<SharedStore> {
  const database = await Database.share(directory)
  const reader = readerOver(database, () => ({ number: journalEnd() }), writes)
  const packer = new CommitPacker(database, (gun) => reader.head(gun))
  let released = false
  return {
    ...reader,
    commit: async (commit) => write(await packer.pack(commit)),
    readiness: () =>
      released ? { writable: false, reason: 'the database is being opened again' } : { writable: true },
    async release() {
      released = true
      await database.close()
    },
    async regain() {
      await database.reopen()
      released = false
    },
    close: () => database.close(),
  }
}
