/**
 * Bytes of an upload that never waits. As many of these as may be worked on at once take little memory, and whoever
 * publishes a few tags must not stand behind those who publish thousands.
 */
const SMALL_BYTES = 64 * 1024

/**
 * Uploads that are worked on at once, by their bytes: decoded, a document of tens of thousands of tags takes some fourteen
 * times as much memory. What has no room waits until it has, first come, first served; one alone always has.
 */
export class InFlight {
  readonly #limit: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []
  #bytes = 0

  /** @param limit bytes of all of them together */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Run `work` when there is room for it. @param bytes of the upload */
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
      // Here, not when it goes on: another one may come before.
      this.#bytes += first.bytes
      first.begin()
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limit
  }
}
