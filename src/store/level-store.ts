import { AnchorFile, readAnchorOf, type Anchor } from './anchor.ts'
import { Committer, type CommitterOptions } from './commit/committer.ts'
import { CommitPacker, type PackedCommit } from './commit/packed-commit.ts'
import { fillStore } from './fill-store.ts'
import { Database } from './database/database.ts'
import { mustHaveNoTrap } from './database/disarm.ts'
import { checkAgainstAnchor, mustHaveNoGap, readFormat, readTail } from './intact.ts'
import { mustBeComplete } from './make-store.ts'
import type { StorePlace } from './place.ts'
import { readerOver, type StoreReader } from './reader.ts'
import { snapshotOf, type StoreSnapshot } from './snapshot.ts'
import type { Store } from './store.ts'
import { Writes } from './writes.ts'

export interface StoreOptions extends CommitterOptions, StorePlace {}

/** A store over LevelDB, with what audits, copies and other threads need beyond the contract. */
export interface LevelStore extends Store {
  /**
   * Reads the anchor as the next start will find it, after it has caught up with the journal's current end.
   *
   * @throws TrustError STORE_UNAVAILABLE; DATA_DAMAGED if it is missing, or not signed
   */
  readonly readAnchor: () => Promise<Anchor>
  /** Commits what another thread has packed. @throws TrustError as `commit` does */
  commitPacked(commit: PackedCommit): Promise<number>
  /** Returns a snapshot of everything, for an audit. The caller closes it. @throws TrustError STORE_UNAVAILABLE */
  snapshot(): Promise<StoreSnapshot>
  /**
   * Copies the current state of this store to another place.
   *
   * @throws TrustError CORRUPT, STORE_UNAVAILABLE, DATA_EXISTS, WRONG_STATE
   */
  copyTo(place: Omit<StorePlace, 'anchorKey'>, gone?: AbortSignal): Promise<Copied>
}

/** What a copy contains. */
export interface Copied {
  /** Number of the newest journal entry. */
  readonly commits: number
  readonly records: number
}

/**
 * Opens a store, and checks its journal against the anchor.
 *
 * @throws TrustError DATA_MISSING, DATA_LOCKED, DATA_DAMAGED, DATA_NEWER; CORRUPT if the anchor's entry or a later one is
 *   damaged; STORE_UNAVAILABLE if the anchor cannot be moved to the journal's end
 */
export async function openStore(options: StoreOptions): Promise<LevelStore> {
  const database = await Database.open(options.directory, false)
  let anchor: AnchorFile | undefined
  try {
    await mustBeComplete(database, options.anchorFile)
    const format = readFormat(database, options.directory)
    anchor = await AnchorFile.open(options.anchorFile, options.anchorKey)
    const tail = await readTail(database)
    await checkAgainstAnchor(database, anchor, format.store, tail)
    mustHaveNoGap(database, tail)
    const all = { writes: new Writes(), ...options }
    const reader = readerOver(database, () => committer.tail, all.writes)
    const committer = new Committer(database, (gun) => reader.head(gun), anchor, format.store, tail, all)
    return storeOver(database, reader, anchor, committer, all)
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
    // Open it by path: an open handle does not notice that the file was removed.
    return readAnchorOf(anchorFile, anchorKey)
  }
  return {
    ...reader,
    readAnchor,
    snapshot: () => snapshotOf(database, readAnchor),
    copyTo: (place, gone) => copyOf(database, { ...place, anchorKey }, gone),
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

async function copyOf(database: Database, place: StorePlace, gone: AbortSignal | undefined): Promise<Copied> {
  await mustHaveNoTrap(database.directory)
  const snapshot = database.snapshot()
  try {
    const records = await fillStore(snapshot.entries({}), place, gone)
    // Nobody should rely on a copy that was never opened.
    const copy = await openStore(place)
    const { number: commits } = copy.tail()
    await copy.close()
    return { commits, records }
  } finally {
    await snapshot.close()
  }
}
