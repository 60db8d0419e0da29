/**
 * Largest upload, in bytes, that never waits. The limit on uploads at once keeps the memory of these small, and whoever
 * publishes a few tags must not queue behind those who publish thousands.
 */
const SMALL_BYTES = 64 * 1024

/**
 * Limits the bytes of uploads in progress: decoded, a document of tens of thousands of tags takes about fourteen times
 * its size in memory. An upload without room waits, first come, first served; a single one always has room.
 */
export class InFlight {
  readonly #limit: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []
  #bytes = 0

  /** @param limit bytes of all uploads together */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Runs `work` when there is room for it. @param bytes size of the upload */
  async take<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (bytes <= SMALL_BYTES) return work()
    if (this.#waiting.length > 0 || !this.#hasRoom(bytes)) {
      await new Promise<void>((begin) => this.#waiting.push({ bytes, begin }))
    } else this.#bytes += bytes
    try {
      return await work()
    } finally {
      this.#bytes -= bytes
      this.#letIn()
    }
  }

  #letIn(): void {
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || !this.#hasRoom(first.bytes)) return
      this.#waiting.shift()
      // Count it here, not when it resumes: another upload may come in between.
      this.#bytes += first.bytes
      first.begin()
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limit
  }
}
