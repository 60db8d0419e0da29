import type { IncomingMessage } from 'node:http'
import { TrustError } from '../errors.ts'

/** Bytes beyond the limit that are read and thrown away, so that a client that is still sending gets to read why. */
const DISCARD_MAX_BYTES = 64 * 1024 * 1024

/** Memory for bodies that are being received: all of them together have a limit. */
export class Bodies {
  readonly #parkedLimit: number
  #parked = 0

  /** @param parkedLimit bytes of all bodies together */
  constructor(parkedLimit: number) {
    this.#parkedLimit = parkedLimit
  }

  /**
   * Read a body into memory and hand it to `use`; its memory counts as parked until that is over.
   *
   * @param limit bytes
   * @throws TrustError MALFORMED_UPLOAD if it is longer, or ends early; BUSY if there is no room
   */
  async read<T>(request: IncomingMessage, limit: number, use: (body: Buffer) => Promise<T>): Promise<T> {
    if (Number(request.headers['content-length'] ?? 0) > limit) await discard(request, limit)
    let size = 0
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length
        this.#parked += chunk.length
        if (size > limit) await discard(request, limit)
        if (this.#parked > this.#parkedLimit) throw new TrustError('BUSY', 'too many uploads at once')
        chunks.push(chunk)
      }
      return await use(Buffer.concat(chunks, size))
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ECONNRESET') {
        throw new TrustError('MALFORMED_UPLOAD', 'the request ended before its body did', { cause })
      }
      throw cause
    } finally {
      this.#parked -= size
    }
  }
}

async function discard(request: IncomingMessage, limit: number): Promise<never> {
  let discarded = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      discarded += chunk.length
      if (discarded > DISCARD_MAX_BYTES) break
    }
  } catch {
    // The client is gone; there is nobody to tell.
  }
  throw new TrustError('MALFORMED_UPLOAD', `the upload is larger than ${limit} bytes`)
}
