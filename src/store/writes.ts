import type { Gun } from '../tuf/gun.ts'

/** Numbers that are counted; repositories that share one are taken to change together. */
const CELLS = 1_024

/**
 * How often each repository was written to, as all threads see it at once. It is counted before a write begins and after
 * it has ended: between two looks that find the same even number nothing of the repository has changed.
 */
export class Writes {
  /** Bytes that the numbers take. */
  static readonly BYTES = CELLS * Int32Array.BYTES_PER_ELEMENT
  readonly #cells: Int32Array

  /** @param numbers of `BYTES`; shared memory where other threads read the database too */
  constructor(numbers: ArrayBufferLike = new ArrayBuffer(Writes.BYTES), offset = 0) {
    this.#cells = new Int32Array(numbers, offset, CELLS)
  }

  /** @returns undefined while it is being written to */
  of(gun: Gun): number | undefined {
    const count = Atomics.load(this.#cells, cellOf(gun))
    return count % 2 === 0 ? count : undefined
  }

  /** One at a time. It counts also where it fails: what it did then is not known. @param guns undefined: all */
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

/** Which number counts for a repository. */
function cellOf(gun: Gun): number {
  let hash = 0
  for (let at = 0; at < gun.length; at += 1) hash = (Math.imul(hash, 31) + gun.charCodeAt(at)) | 0
  return Math.abs(hash % CELLS)
}
