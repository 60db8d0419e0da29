import { CommitPacker, type PackedCommit } from './commit/packed-commit.ts'
import { Database } from './database/database.ts'
import { readerOver } from './reader.ts'
import type { Store } from './store.ts'
import type { Writes } from './writes.ts'

/** A store whose database another thread of this process has open and writes to. */
export interface SharedStore extends Store {
  /** Closes this handle, so that the database can be closed. Reads throw STORE_UNAVAILABLE until `regain`. */
  release(): Promise<void>
  regain(): Promise<void>
}

/**
 * Opens a store that reads in this thread and writes through another one. Commits are visible here at once, since both
 * threads use the same database.
 *
 * @param journalEnd returns the number of the newest journal entry
 * @param writes the counts that the writing thread keeps
 * @param write commits in the writing thread
 * @throws TrustError DATA_LOCKED, DATA_DAMAGED
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
    readiness: () => (released ? { writable: false, reason: 'the database is being reopened' } : { writable: true }),
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
