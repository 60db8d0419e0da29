import { setImmediate } from 'node:timers/promises'
import { messageOf, TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { AnchorFile } from '../anchor.ts'
import type { Database } from '../database/database.ts'
import type { Tail } from '../journal.ts'
import type { Head } from '../store.ts'
import type { Writes } from '../writes.ts'
import { Batch } from './batch.ts'
import type { PackedCommit } from './packed-commit.ts'
import { keepTrying, reopen, type OtherHandles } from './reopen.ts'

/** How many commits may share one disk write. */
const GROUP_MAX = 256

/** Called before and after each write. Tests throw from it to make a write fail, or seem to fail after it succeeded. */
export type FaultHook = (step: 'batch:before' | 'batch:after' | 'anchor:before' | 'anchor:after') => void

export interface CommitterOptions {
  /** Called whenever the journal has a new end, before the commits are acknowledged. */
  readonly moved?: (tail: Tail) => void
  /** Counts the writes; shared with threads that read. */
  readonly writes?: Writes
  /** Other handles on the database, such as those of threads: all must be closed to close the database. */
  readonly others?: readonly OtherHandles[]
  /** For tests. */
  readonly faults?: FaultHook | undefined
}

interface Waiting {
  readonly commit: PackedCommit
  /** @param number of the journal entry */
  readonly resolve: (number: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * The only writer. At most one batch is on its way to the disk; commits that arrive meanwhile go into the next one. The
 * anchor follows each batch, right after its commits were acknowledged or while the next batch is written.
 *
 * After a failed write LevelDB must not be written to: it would acknowledge writes that it loses at the next start. So on
 * the first error the committer refuses commits (readiness false), reopens the database, and looks whether the batch
 * arrived before it answers the batch's commits. Without room to reopen, the database stays open for reading until there
 * is room: reads do not see the failed write.
 */
export class Committer {
  readonly #database: Database
  readonly #headOf: (gun: Gun) => Head | undefined
  readonly #anchor: AnchorFile
  readonly #storeId: string
  readonly #moved: (tail: Tail) => void
  readonly #writes: Writes
  readonly #others: readonly OtherHandles[]
  readonly #faults: FaultHook
  readonly #queue: Waiting[] = []
  #tail: Tail
  /** The journal's end that the anchor names. */
  #anchored: Tail
  #running: Promise<void> | undefined
  #failure: string | undefined
  /** Background attempts to reopen the database. */
  #recovering: Promise<void> | undefined
  readonly #closing = new AbortController()

  /** @param headOf the stored head of a repository */
  constructor(
    database: Database,
    headOf: (gun: Gun) => Head | undefined,
    anchor: AnchorFile,
    storeId: string,
    tail: Tail,
    { moved = () => {}, writes, others = [], faults = () => {} }: CommitterOptions & { readonly writes: Writes },
  ) {
    this.#database = database
    this.#headOf = headOf
    this.#anchor = anchor
    this.#storeId = storeId
    this.#tail = tail
    this.#anchored = tail
    this.#moved = moved
    this.#writes = writes
    this.#others = others
    this.#faults = faults
    moved(tail)
  }

  get tail(): Tail {
    return this.#tail
  }

  /** Why nothing can be written at the moment; undefined if writes are possible. */
  get failure(): string | undefined {
    return this.#failure
  }

  commit(commit: PackedCommit): Promise<number> {
    if (this.#closing.signal.aborted || this.#failure !== undefined) return Promise.reject(unavailable(this.#failure))
    return new Promise((resolve, reject) => {
      this.#queue.push({ commit, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when the anchor names the journal's current end, or a later one. @throws TrustError STORE_UNAVAILABLE */
  async anchored(): Promise<void> {
    const { number } = this.#tail
    while (this.#anchored.number < number) {
      if (this.#failure !== undefined) throw unavailable(this.#failure)
      await setImmediate()
    }
  }

  /** Refuses new commits and finishes pending ones. Waits for a reopening in progress, so the database ends up open. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
    await this.#recovering
  }

  async #run(): Promise<void> {
    for (;;) {
      // Commits of one turn of the event loop share a write. The commits of the last write are answered first.
      await setImmediate()
      if (this.#queue.length > 0) await this.#writeGroup(this.#queue.splice(0, GROUP_MAX))
      else if (this.#anchored !== this.#tail && this.#failure === undefined) await this.#followWithAnchor()
      else break
    }
    this.#running = undefined
  }

  async #writeGroup(group: Waiting[]): Promise<void> {
    const batch = new Batch(this.#database, this.#headOf, this.#tail)
    const staged: { waiting: Waiting; number: number }[] = []
    for (const waiting of group) {
      try {
        staged.push({ waiting, number: batch.add(waiting.commit) })
      } catch (error) {
        waiting.reject(error)
      }
    }
    if (staged.length === 0) return
    try {
      this.#faults('batch:before')
      const writing = this.#writes.during(batch.guns, () => this.#database.write(batch.writes))
      // Write the anchor for the previous batch while the disk is busy.
      const anchored = this.#anchored === this.#tail ? undefined : attempt(() => this.#moveAnchor(this.#tail))
      await writing
      this.#faults('batch:after')
      anchored?.()
    } catch (error) {
      const arrived = await this.#recover(batch.tail, error)
      for (const { waiting, number } of staged) {
        if (arrived) waiting.resolve(number)
        else waiting.reject(unavailable(this.#failure ?? reasonOf(error), error))
      }
      return
    }
    this.#moveTail(batch.tail)
    for (const { waiting, number } of staged) waiting.resolve(number)
  }

  async #followWithAnchor(): Promise<void> {
    try {
      this.#moveAnchor(this.#tail)
    } catch (error) {
      await this.#recover(this.#tail, error)
    }
  }

  #moveTail(tail: Tail): void {
    this.#tail = tail
    this.#moved(tail)
  }

  #moveAnchor(tail: Tail): void {
    this.#faults('anchor:before')
    this.#anchor.write({ store: this.#storeId, number: tail.number, hash: tail.hash })
    this.#faults('anchor:after')
    this.#anchored = tail
  }

  /** Tries to reopen once, so that waiting commits get an answer; if that fails, goes on in the background. */
  async #recover(attempted: Tail, error: unknown): Promise<boolean> {
    const reason = reasonOf(error)
    this.#failure = reason
    for (const { reject } of this.#queue.splice(0)) reject(unavailable(reason, error))
    const again = (): Promise<boolean> => this.#reopen(attempted, reason)
    if (await again()) return this.#tail.number === attempted.number
    this.#recovering = keepTrying(again, this.#closing.signal)
    return false
  }

  /** Reopens the database. @returns false if the database or its anchor cannot be written yet */
  async #reopen(attempted: Tail, reason: string): Promise<boolean> {
    try {
      const arrived = await this.#writes.during(undefined, () => reopen(this.#database, this.#others, attempted))
      const end = arrived ? attempted : this.#tail
      // Move the anchor even if nothing arrived: it may be behind, and no other batch is coming that would move it.
      this.#moveAnchor(end)
      this.#moveTail(end)
      this.#failure = undefined
      return true
    } catch (error) {
      this.#failure = `${reason}; it cannot be reopened yet: ${messageOf(error)}`
      return false
    }
  }
}

/** Does the work now. @returns a function that throws later whatever the work threw */
function attempt(work: () => void): () => void {
  try {
    work()
    return () => {}
  } catch (error) {
    return () => {
      throw error
    }
  }
}

const reasonOf = (error: unknown): string => `a write failed: ${messageOf(error)}`

function unavailable(reason = 'the store is closed', cause?: unknown): TrustError {
  return new TrustError('STORE_UNAVAILABLE', `nothing can be written at the moment: ${reason}`, {
    hint: 'make room if the disk is full, and try again; a publish that did arrive is not refused the second time',
    cause,
  })
}
