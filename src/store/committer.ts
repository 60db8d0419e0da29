import { TrustError } from '../errors.ts'
import type { AnchorFile } from './anchor.ts'
import { Batch } from './batch.ts'
import type { Database } from './database.ts'
import { hexSha256, type Tail } from './journal.ts'
import { journalKey } from './keyspace.ts'
import type { Commit, JournalEntry } from './store.ts'

/** Commits that may share one disk write. */
const GROUP_MAX = 256
/** Pauses between tries to open the database again, milliseconds. */
const REOPEN_PAUSES = [100, 500, 2_000, 5_000]

/** Called before and after each write; a test's hook throws here to make it fail, or fail although it was done. */
export type FaultHook = (step: 'batch:before' | 'batch:after' | 'anchor:before' | 'anchor:after') => void

interface Waiting {
  readonly commit: Commit
  readonly resolve: (entry: JournalEntry) => void
  readonly reject: (error: unknown) => void
}

/**
 * The one writer. At most one batch is on its way to the disk; what asks meanwhile goes into the next one.
 *
 * LevelDB must not be written to after a failed write: it would acknowledge writes that it loses at the next start. So
 * the first error closes the door (readiness false, commits refused), closes the database, opens it again, and looks
 * whether the batch arrived before its commits are told.
 */
export class Committer {
  readonly #database: Database
  readonly #anchor: AnchorFile
  readonly #storeId: string
  readonly #faults: FaultHook
  readonly #queue: Waiting[] = []
  #tail: Tail
  #running: Promise<void> | undefined
  #failure: string | undefined
  #closed = false

  constructor(database: Database, anchor: AnchorFile, storeId: string, tail: Tail, faults: FaultHook = () => {}) {
    this.#database = database
    this.#anchor = anchor
    this.#storeId = storeId
    this.#tail = tail
    this.#faults = faults
  }

  get tail(): Tail {
    return this.#tail
  }

  /** Why nothing can be written at the moment. */
  get failure(): string | undefined {
    return this.#failure
  }

  commit(commit: Commit): Promise<JournalEntry> {
    if (this.#closed || this.#failure !== undefined) return Promise.reject(unavailable(this.#failure))
    return new Promise((resolve, reject) => {
      this.#queue.push({ commit, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Finish what was asked for, then take nothing more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    // Commits that were asked for in the same turn of the event loop share the first batch already.
    await Promise.resolve()
    while (this.#queue.length > 0) await this.#writeGroup(this.#takeGroup())
    this.#running = undefined
  }

  /** A delete goes alone: which documents it removes is read from the database. */
  #takeGroup(): Waiting[] {
    const isDelete = ({ commit }: Waiting): boolean => commit.kind === 'delete'
    const end = this.#queue.findIndex(isDelete)
    const size = end === -1 ? GROUP_MAX : Math.min(GROUP_MAX, Math.max(end, 1))
    return this.#queue.splice(0, size)
  }

  async #writeGroup(group: Waiting[]): Promise<void> {
    const batch = new Batch(this.#database, this.#tail)
    const staged: { waiting: Waiting; entry: JournalEntry }[] = []
    for (const waiting of group) {
      try {
        staged.push({ waiting, entry: await batch.add(waiting.commit) })
      } catch (error) {
        waiting.reject(error)
      }
    }
    if (staged.length === 0) return
    try {
      this.#faults('batch:before')
      await this.#database.write(batch.writes)
      this.#faults('batch:after')
      this.#moveAnchor(batch.tail)
    } catch (error) {
      const arrived = await this.#recover(batch.tail, error)
      for (const { waiting, entry } of staged) {
        if (arrived) waiting.resolve(entry)
        else waiting.reject(unavailable(this.#failure, error))
      }
      return
    }
    this.#tail = batch.tail
    for (const { waiting, entry } of staged) waiting.resolve(entry)
  }

  #moveAnchor({ number, hash }: Tail): void {
    this.#faults('anchor:before')
    this.#anchor.write({ store: this.#storeId, number, hash })
    this.#faults('anchor:after')
  }

  /** One try at once, so that the waiting commits get an answer; if it fails, more in the background. */
  async #recover(attempted: Tail, error: unknown): Promise<boolean> {
    this.#failure = `a write failed: ${error instanceof Error ? error.message : String(error)}`
    for (const { reject } of this.#queue.splice(0)) reject(unavailable(this.#failure, error))
    if (await this.#reopen(attempted)) return this.#tail.number === attempted.number
    void this.#keepReopening(attempted)
    return false
  }

  /** @returns false if the database or its anchor cannot be written yet */
  async #reopen(attempted: Tail): Promise<boolean> {
    try {
      await this.#database.reopen()
      const arrived = this.#database.get(journalKey(attempted.number))
      if (arrived !== undefined && hexSha256(arrived) === attempted.hash) {
        this.#moveAnchor(attempted)
        this.#tail = attempted
      }
      this.#failure = undefined
      return true
    } catch {
      return false
    }
  }

  async #keepReopening(attempted: Tail): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt += 1) {
      const pause = REOPEN_PAUSES[Math.min(attempt, REOPEN_PAUSES.length - 1)] ?? 0
      await new Promise((resolve) => setTimeout(resolve, pause).unref())
      if (await this.#reopen(attempted)) return
    }
  }
}

function unavailable(reason = 'the store is closed', cause?: unknown): TrustError {
  return new TrustError('STORE_UNAVAILABLE', `nothing can be written at the moment: ${reason}`, {
    hint: 'try again; a publish that did arrive is not refused the second time',
    ...(cause === undefined ? {} : { cause }),
  })
}
