import { hash, randomBytes } from 'node:crypto'
import type { Count, Counts } from '../http/count.ts'
import type { Locks } from '../repository/turns.ts'
import { Writes } from '../store/writes.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'

/** Number of locks; repositories that share one occasionally wait for each other. */
const LOCKS = 1_024
/** Number of per-sender counts of parked bytes; senders with the same count share a limit. */
const SENDERS = 1_024
/** Bytes of the secret that decides which repositories share a lock, and which senders a count. */
const SECRET_BYTES = 16
/** Index of each number, in cells of 32 bits: the end of the journal takes two, a lock too, the secret four. */
const PLACES = {
  parked: 2,
  publishing: 3,
  secret: 4,
  locks: 8,
  senders: 8 + 2 * LOCKS,
  writes: 8 + 2 * LOCKS + SENDERS,
}

/**
 * The few numbers that all threads see at once: where the journal ends, how often repositories were written to, the
 * counts behind process-wide limits, and whose turn it is to change a repository.
 */
export class Shared {
  readonly buffer: SharedArrayBuffer
  readonly #cells: Int32Array<SharedArrayBuffer>
  readonly #end: BigInt64Array<SharedArrayBuffer>
  readonly #secret: string

  constructor(buffer = newNumbers()) {
    this.buffer = buffer
    this.#secret = Buffer.from(Uint8Array.from(secretIn(buffer))).toString('hex')
    this.#cells = new Int32Array(buffer)
    this.#end = new BigInt64Array(buffer, 0, 1)
  }

  /** Number of the newest journal entry. */
  get journalEnd(): number {
    return Number(Atomics.load(this.#end, 0))
  }

  set journalEnd(number: number) {
    Atomics.store(this.#end, 0, BigInt(number))
  }

  get writes(): Writes {
    return new Writes(this.buffer, Int32Array.BYTES_PER_ELEMENT * PLACES.writes)
  }

  /** Uploads in progress in the whole process. */
  get publishing(): Count {
    return this.#count(PLACES.publishing)
  }

  /** Bytes of bodies being received in the whole process. */
  get parked(): Counts {
    return { all: this.#count(PLACES.parked), of: (who) => this.#count(PLACES.senders + this.#one(SENDERS, who)) }
  }

  #count(place: number): Count {
    return { add: (number) => Atomics.add(this.#cells, place, number) + number }
  }

  get locks(): Locks {
    return { hold: (gun, work) => this.#hold(this.#lockOf(gun), work) }
  }

  /** First come, first served: each caller draws a number, and waits until it is called. */
  async #hold<T>(lock: number, work: () => Promise<T>): Promise<T> {
    const drawn = PLACES.locks + 2 * lock
    const called = drawn + 1
    const own = Atomics.add(this.#cells, drawn, 1)
    for (;;) {
      const now = Atomics.load(this.#cells, called)
      if (now === own) break
      const waiting = Atomics.waitAsync(this.#cells, called, now)
      if (waiting.async) await waiting.value
    }
    try {
      return await work()
    } finally {
      Atomics.add(this.#cells, called, 1)
      Atomics.notify(this.#cells, called)
    }
  }

  /**
   * Only the server itself uses its lock: repositories are changed while it is held. Nobody can tell which repositories
   * share one of the other locks: else somebody who can create repositories would choose names that block one of
   * somebody else's.
   */
  #lockOf(gun: Gun): number {
    return gun === SERVER ? 0 : 1 + this.#one(LOCKS - 1, gun)
  }

  /** Returns a number below `of`, always the same for a name, that nobody can predict without the secret. */
  #one(of: number, name: string): number {
    return hash('sha256', this.#secret + name, 'buffer').readUInt32LE() % of
  }
}

function newNumbers(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * PLACES.writes + Writes.BYTES)
  secretIn(buffer).set(randomBytes(SECRET_BYTES))
  return buffer
}

function secretIn(buffer: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(buffer, Int32Array.BYTES_PER_ELEMENT * PLACES.secret, SECRET_BYTES)
}
