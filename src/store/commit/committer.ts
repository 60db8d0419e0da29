import { setImmediate } from 'node:timers/promises'
import { messageOf, TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { AnchorFile } from '../anchor.ts'
import type { Database } from '../database/database.ts'
import type { Tail } from '../journal.ts'
import type { Head } from '../store.ts'
import { Writes } from '../writes.ts'
import { Batch } from './batch.ts'
import type { PackedCommit } from './packed-commit.ts'
import { keepTrying, reopen, type OtherHandles } from './reopen.ts'

/** Commits that may share one disk write. */
const GROUP_MAX = 256

/** Called before and after each write; a test's hook throws here to make it fail, or fail although it was done. */
export type FaultHook = (step: 'batch:before' | 'batch:after' | 'anchor:before' | 'anchor:after') => void

export interface CommitterOptions {
  /** Told whenever the journal has a new end, before anybody is told of the commit. */
  readonly moved?: (tail: Tail) => void
  /** Counts what is written; shared with threads that read. */
  readonly writes?: Writes
  /** What else has the database open, threads say: it must be closed everywhere to be closed at all. */
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
 * The one writer. At most one batch is on its way to the disk; what asks meanwhile goes into the next one. The anchor
 * follows each batch, right after its commits were answered, or while the next batch is written.
 *
 * LevelDB must not be written to after a failed write: it would acknowledge writes that it loses at the next start. So
 * the first error closes the door (readiness false, commits refused), closes the database, opens it again, and looks
 * whether the batch arrived before its commits are told. Where there is no room to open it again it stays open for
 * reading until there is: what was not written is not seen in it.
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
  /** What the anchor names. */
  #anchored: Tail
  #running: Promise<void> | undefined
  #failure: string | undefined
  /** Tries to open the database again, in the background. */
  #recovering: Promise<void> | undefined
  readonly #closing = new AbortController()

  /** @param headOf the stored head of a repository */
  constructor(
    database: Database,
    headOf: (gun: Gun) => Head | undefined,
    anchor: AnchorFile,
    storeId: string,
    tail: Tail,
    { moved = () => {}, writes = new Writes(), others = [], faults = () => {} }: CommitterOptions = {},
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

  /** Why nothing can be written at the moment. */
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

  /** Resolves when the anchor names what is the end of the journal now, or a later one. @throws TrustError STORE_UNAVAILABLE */
  async anchored(): Promise<void> {
    const { number } = this.#tail
    while (this.#anchored.number < number) {
      if (this.#failure !== undefined) throw unavailable(this.#failure)
      await setImmediate()
    }
  }

  /** Finish what was asked for, then take nothing more. A database that is just being opened again is open when it ends. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
    await this.#recovering
  }

  async #run(): Promise<void> {
    for (;;) {
      // Whatever asks in the same turn of the event loop shares the write; who waits for the last one is answered first.
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
      // The anchor of the batch before it, while the disk is busy.
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

  /** One try at once, so that the waiting commits get an answer; if it fails, more in the background. */
  async #recover(attempted: Tail, error: unknown): Promise<boolean> {
    const reason = reasonOf(error)
    this.#failure = reason
    for (const { reject } of this.#queue.splice(0)) reject(unavailable(reason, error))
    const again = (): Promise<boolean> => this.#reopen(attempted, reason)
    if (await again()) return this.#tail.number === attempted.number
    this.#recovering = keepTrying(again, this.#closing.signal)
    return false
  }

  /** @returns false if the database or its anchor cannot be written yet */
  async #reopen(attempted: Tail, reason: string): Promise<boolean> {
    try {
      const arrived = await this.#writes.during(undefined, () => reopen(this.#database, this.#others, attempted))
      const end = arrived ? attempted : this.#tail
      // Also where nothing arrived: it may have fallen behind, and nobody else is under way.
      this.#moveAnchor(end)
      this.#moveTail(end)
      this.#failure = undefined
      return true
    } catch (error) {
      this.#failure = `${reason}; it cannot be opened again yet: ${messageOf(error)}`
      return false
    }
  }
}

/** Do it now. @returns what throws later what it threw */
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
    hint: 'try again; a publish that did arrive is not refused the second time',
    cause,
  })
}
