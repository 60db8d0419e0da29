import type { Gun } from '../tuf/gun.ts'

/** Number of counters; repositories that share one count as changing together. */
const CELLS = 1_024

/**
 * Counts the writes to each repository, in memory that all threads see at once. Counts before a write begins and after it
 * has ended: between two reads of the same even number the repository has not changed.
 */
export class Writes {
  /** Bytes of memory for the counters. */
  static readonly BYTES = CELLS * Int32Array.BYTES_PER_ELEMENT
  readonly #cells: Int32Array

  /** @param numbers memory of `BYTES`; shared memory if other threads read the database too */
  constructor(numbers: ArrayBufferLike = new ArrayBuffer(Writes.BYTES), offset = 0) {
    this.#cells = new Int32Array(numbers, offset, CELLS)
  }

  /** @returns the count of a repository; undefined while it is being written to */
  of(gun: Gun): number | undefined {
    const count = Atomics.load(this.#cells, cellOf(gun))
    return count % 2 === 0 ? count : undefined
  }

  /** Runs a write, one at a time. Counts failed ones too, whose outcome is unknown. @param guns undefined for all */
  async during<T>(guns: Iterable<Gun> | undefined, write: () => Promise<T>): Promise<T> {
    const cells = guns === undefined ? this.#cells.keys() : Array.from(guns, (gun) => cellOf(gun))
    const counted = [...new Set(cells)]
    const count = (): void => {
      for (const cell of counted) Atomics.add(this.#cells, cell, 1)
    }
    count()
    try {
      return await write()
    } finally {
      count()
    }
  }
}

/** Returns the index of a repository's counter. */
function cellOf(gun: Gun): number {
  let hash = 0
  for (let at = 0; at < gun.length; at += 1) hash = (Math.imul(hash, 31) + gun.charCodeAt(at)) | 0
  return Math.abs(hash % CELLS)
}
