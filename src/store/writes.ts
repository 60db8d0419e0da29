/**
 * How often the database was written to, as all threads see it at once. It is counted before a write begins and after it
 * has ended: between two looks that find the same even number nothing of what is stored has changed.
 */
export class Writes {
  readonly #cell: Int32Array

  /** @param cell one number; of shared memory where other threads read the database too */
  constructor(cell: Int32Array = new Int32Array(1)) {
    this.#cell = cell
  }

  /** @returns undefined while something is being written */
  get count(): number | undefined {
    const count = Atomics.load(this.#cell, 0)
    return count % 2 === 0 ? count : undefined
  }

  /** One at a time. It counts also where it fails: what it did then is not known. */
  async during<T>(write: () => Promise<T>): Promise<T> {
    Atomics.add(this.#cell, 0, 1)
    try {
      return await write()
    } finally {
      Atomics.add(this.#cell, 0, 1)
    }
  }
}
