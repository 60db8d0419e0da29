import { AnchorFile, readAnchorOf, type Anchor } from './anchor.ts'
import { Committer, type CommitterOptions } from './commit/committer.ts'
import { CommitPacker, type PackedCommit } from './commit/packed-commit.ts'
import { fillStore } from './copy.ts'
import { Database } from './database/database.ts'
import { mustHaveNoTrap } from './database/disarm.ts'
import { holdAgainstAnchor, mustHaveNoGap, readFormat, readTail } from './intact.ts'
import type { StorePlace } from './place.ts'
import { readerOver, type StoreReader } from './reader.ts'
import { snapshotOf, type StoreSnapshot } from './snapshot.ts'
import type { Store } from './store.ts'
import { Writes } from './writes.ts'

export interface StoreOptions extends CommitterOptions, StorePlace {}

/** A store over LevelDB, with what an audit needs beside the contract. */
export interface LevelStore extends Store {
  /**
   * The anchor, as the next start will find it; it follows the journal's end as it is now.
   *
   * @throws TrustError STORE_UNAVAILABLE, DATA_DAMAGED if it is not there, or not signed
   */
  readonly readAnchor: () => Promise<Anchor>
  /** Commit what another thread has packed. @throws TrustError as `commit` does */
  commitPacked(commit: PackedCommit): Promise<number>
  /** Everything as it is now, for an audit. To be closed. @throws TrustError STORE_UNAVAILABLE */
  snapshot(): Promise<StoreSnapshot>
  /**
   * Make a store elsewhere that is as this one is now.
   *
   * @throws TrustError CORRUPT, STORE_UNAVAILABLE, DATA_EXISTS, WRONG_STATE
   */
  copyTo(place: Omit<StorePlace, 'anchorKey'>, gone?: AbortSignal): Promise<Copied>
}

/** What a copy holds. */
export interface Copied {
  /** Number of the newest journal entry. */
  readonly commits: number
  readonly records: number
}

/**
 * Open a store, and hold its journal against the anchor.
 *
 * @throws TrustError DATA_MISSING, DATA_LOCKED, DATA_DAMAGED, DATA_NEWER; CORRUPT if an entry from the anchor's on is
 *   damaged, STORE_UNAVAILABLE if the anchor cannot follow
 */
export async function openStore(options: StoreOptions): Promise<LevelStore> {
  const database = await Database.open(options.directory, false)
  let anchor: AnchorFile | undefined
  try {
    const format = readFormat(database, options.directory)
    anchor = await AnchorFile.open(options.anchorFile, options.anchorKey, false)
    const tail = await readTail(database)
    await holdAgainstAnchor(database, anchor, format.store, tail)
    mustHaveNoGap(database, tail)
    const { writes = new Writes() } = options
    const reader = readerOver(database, () => committer.tail, writes)
    const committer = new Committer(database, (gun) => reader.head(gun), anchor, format.store, tail, {
      ...options,
      writes,
    })
    return storeOver(database, reader, anchor, committer, options)
  } catch (error) {
    await database.close()
    await anchor?.close()
    throw error
  }
}

function storeOver(
  database: Database,
  reader: StoreReader,
  anchor: AnchorFile,
  committer: Committer,
  { anchorFile, anchorKey }: StorePlace,
): LevelStore {
  const packer = new CommitPacker(database, (gun) => reader.head(gun))
  const readAnchor = async (): Promise<Anchor> => {
    await committer.anchored()
    // By its path: who has it open does not notice that it was removed.
    return readAnchorOf(anchorFile, anchorKey)
  }
  return {
    ...reader,
    readAnchor,
    snapshot: () => snapshotOf(database, readAnchor),
    async copyTo(place, gone) {
      await mustHaveNoTrap(database.directory)
      const options = { ...place, anchorKey }
      const snapshot = database.snapshot()
      try {
        const records = await fillStore(snapshot.entries({}), options, gone)
        // A copy that nobody has opened is a hope.
        const copy = await openStore(options)
        const { number: commits } = copy.tail()
        await copy.close()
        return { commits, records }
      } finally {
        await snapshot.close()
      }
    },
    commit: async (commit) => committer.commit(await packer.pack(commit)),
    commitPacked: (commit) => committer.commit(commit),
    readiness: () =>
      committer.failure === undefined ? { writable: true } : { writable: false, reason: committer.failure },
    async close() {
      await committer.close()
      await database.close()
      await anchor.close()
    },
  }
}
