import type { IncomingMessage } from 'node:http'
import { TrustError } from '../errors.ts'
import type { Count, Counts } from './count.ts'

/** Most bytes read and discarded, so that a client that is still sending gets to read why it was refused. */
const DISCARD_MAX_BYTES = 64 * 1024 * 1024
/** Most chunks kept before they are joined: even one of a single byte takes a hundred, and the sender chooses. */
const PIECES_MAX = 1_024

/**
 * Limits the memory of all request bodies being received together. No sender may have more of it than remains free:
 * half for one alone, a third each for two. So there is always room for one more.
 */
export class Bodies {
  readonly #parkedLimit: number
  readonly #parked: Counts

  /** @param parkedLimit bytes of all bodies together @param parked their counts */
  constructor(parkedLimit: number, parked: Counts) {
    this.#parkedLimit = parkedLimit
    this.#parked = parked
  }

  /**
   * Reads a body into memory and passes it to `use`; its memory counts as parked until `use` is done.
   *
   * @param limit bytes
   * @param sender whose bodies count together; undefined: unknown, counts only towards the total
   * @throws TrustError MALFORMED_UPLOAD if it is too long, or ends early; BUSY if there is no room
   */
  async read<T>(
    request: IncomingMessage,
    limit: number,
    sender: string | undefined,
    use: (body: Buffer) => Promise<T>,
  ): Promise<T> {
    const { all } = this.#parked
    const own = sender === undefined ? undefined : this.#parked.of(sender)
    const collected = new Collected()
    let parked = 0
    const park = (bytes: number): number => {
      parked += bytes
      own?.add(bytes)
      return all.add(bytes)
    }
    try {
      let refusal = this.#refusal(Number(request.headers['content-length'] ?? 0), limit, all.add(0))
      let size = 0
      await eachChunk(request, (chunk) => {
        size += chunk.length
        if (refusal === undefined) {
          collected.add(chunk)
          refusal = this.#refusal(size, limit, park(chunk.length)) ?? this.#overShare(own, parked)
        }
        if (refusal === undefined) return true
        // From here on only read it, so that the client gets to read the refusal.
        collected.clear()
        park(-parked)
        return size <= DISCARD_MAX_BYTES
      })
      if (refusal !== undefined) throw refusal
      return await use(collected.take())
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ECONNRESET') {
        throw new TrustError('MALFORMED_UPLOAD', 'the request ended before its body did', { cause })
      }
      throw cause
    } finally {
      park(-parked)
    }
  }

  #refusal(size: number, limit: number, parked: number): TrustError | undefined {
    if (size > limit) return new TrustError('MALFORMED_UPLOAD', `the upload is larger than ${limit} bytes`)
    if (parked > this.#parkedLimit) return new TrustError('BUSY', 'too many uploads at once')
    return undefined
  }

  /** @param parked bytes of this body: if it is the sender's only one, just the total limit can refuse it */
  #overShare(own: Count | undefined, parked: number): TrustError | undefined {
    const ownParked = own?.add(0) ?? 0
    if (ownParked <= parked || ownParked <= this.#parkedLimit - this.#parked.all.add(0)) return undefined
    return new TrustError('BUSY', 'too many of your uploads at once', { hint: 'send fewer at the same time' })
  }
}

/** Chunks of a body, joined now and then. */
class Collected {
  #joined: Buffer[] = []
  #pieces: Buffer[] = []

  add(chunk: Buffer): void {
    this.#pieces.push(chunk)
    if (this.#pieces.length < PIECES_MAX) return
    this.#joined.push(Buffer.concat(this.#pieces))
    this.#pieces = []
  }

  /** Returns all of it, and keeps nothing. */
  take(): Buffer {
    const body = Buffer.concat([...this.#joined, ...this.#pieces])
    this.clear()
    return body
  }

  clear(): void {
    this.#joined = []
    this.#pieces = []
  }
}

/**
 * Passes on chunks as `for await` would, at a third of the cost.
 *
 * @param take returns false to stop
 * @throws the request's error, ECONNRESET if the client went away
 */
function eachChunk(request: IncomingMessage, take: (chunk: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      if (take(chunk)) return
      request.removeAllListeners('data').pause()
      resolve()
    })
    request.on('end', resolve)
    request.on('error', reject)
    request.on('close', () => {
      // Creating an error is costly, and here nearly always nobody would see it.
      if (!request.readableEnded) reject(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
    })
  })
}

/** Reads and discards the rest of a request, so that a client that is still sending gets to read the response. */
export async function discardRest(request: IncomingMessage): Promise<void> {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (request.complete || request.destroyed || (encoding === undefined && length === '0')) return
  let discarded = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      discarded += chunk.length
      if (discarded > DISCARD_MAX_BYTES) return
    }
  } catch {
    // The client is gone; there is nobody to tell.
  }
}
