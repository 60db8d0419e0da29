import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The listener that a connection comes from. */
export interface Listener {
  /** Milliseconds for the first request, for the client to take more of its response, and for each later request. */
  readonly firstWithin: number
  readonly answerWithin: number
  readonly nextWithin: number
  /** Hands the connection to Node's HTTP server. */
  give(socket: Socket): void
  /** A response begins and ends that Node does not know of. */
  begin(): void
  end(): void
}

const END_OF_HEAD = '\r\n\r\n'

type Receive = (chunk: Buffer) => void
/** @returns false if it was not answered */
type Again = (text: string, sent: () => void) => boolean

/**
 * A connection on which repeated requests are answered before Node's HTTP server sees them.
 *
 * The same bytes mean the same only where a request begins. So a connection is watched from its first byte, and only as
 * long as each chunk that arrives is exactly one request without a body. With the first other chunk, such as half a request
 * or an upload, the connection is Node's alone, for good. So the content of a body is never taken for a request.
 *
 * Node's server gets the connection with the first request that was not seen before: most clients open one per request,
 * and Node's share of that costs as much as everything else here.
 */
export class Watched {
  /** The request that Node is reading, if it can be remembered. */
  reading: string | undefined
  readonly #socket: Socket
  readonly #listener: Listener
  readonly #maxBytes: number
  readonly #again: Again
  /** Node's own data listener, once it has the connection. */
  #parse: Receive | undefined
  /** Responses not sent completely. */
  #running = 0
  #plain = false
  /** True: Node's current response is the last one that the client wants. */
  #last = false

  /**
   * @param maxBytes longer requests are left to Node
   * @param again answers a request that was seen before, if it can
   */
  constructor(socket: Socket, listener: Listener, maxBytes: number, again: Again) {
    this.#socket = socket
    this.#listener = listener
    this.#maxBytes = maxBytes
    this.#again = again
    socket.setTimeout(listener.firstWithin)
    socket.on('timeout', this.#drop)
    socket.on('error', this.#drop)
    socket.on('end', this.#end)
    socket.on('data', this.#receive)
  }

  /** Node has read a request from this connection. */
  read(response: ServerResponse, plain: boolean): void {
    this.#running += 1
    this.#plain = plain
    this.#last = !response.shouldKeepAlive
    response.once('close', () => {
      this.#running -= 1
    })
  }

  readonly #receive: Receive = (chunk) => {
    // Read nothing after the last response.
    if (this.#last || this.#socket.writableEnded) return
    const text = chunk.length > this.#maxBytes ? undefined : wholeHead(chunk)
    if (text === undefined) return this.#leave(chunk)
    if (this.#running === 0 && this.#again(text, this.#sent)) {
      this.#running += 1
      this.#listener.begin()
      this.#socket.setTimeout(this.#listener.answerWithin)
      return
    }
    this.#parse ??= this.#share()
    this.#plain = false
    this.reading = text
    this.#parse(chunk)
    this.reading = undefined
    if (!this.#plain) this.#leave()
  }

  readonly #sent = (): void => {
    this.#running -= 1
    this.#listener.end()
    if (this.#running === 0) this.#socket.setTimeout(this.#listener.nextWithin)
  }

  readonly #drop = (): void => {
    this.#socket.destroy()
  }

  /** The client has closed: if no response is running, nobody is left to receive anything. */
  readonly #end = (): void => {
    if (this.#running === 0) this.#socket.destroy()
    else this.#socket.end()
  }

  /**
   * Gives the connection to Node, and takes the place of Node's data listener. While nobody else listens, Node's parser
   * reads from the socket directly, without JavaScript: so add our listener before removing Node's.
   */
  #share(): Receive {
    const parse = this.#give()
    this.#socket.on('data', this.#receive)
    this.#socket.off('data', parse)
    return parse
  }

  /** Leaves the connection to Node. */
  #leave(chunk?: Buffer): void {
    if (this.#parse === undefined) this.#parse = this.#give()
    else {
      this.#socket.on('data', this.#parse)
      this.#socket.off('data', this.#receive)
    }
    if (chunk !== undefined) this.#parse(chunk)
  }

  #give(): Receive {
    const socket = this.#socket
    socket.setTimeout(0)
    socket.off('timeout', this.#drop)
    socket.off('error', this.#drop)
    socket.off('end', this.#end)
    socket.off('data', this.#receive)
    this.#listener.give(socket)
    return socket.listeners('data')[0] as Receive
  }
}

/** @returns the chunk as text, one character per byte, if it ends exactly where its only head ends */
function wholeHead(chunk: Buffer): string | undefined {
  const text = chunk.toString('latin1')
  return text.indexOf(END_OF_HEAD) === text.length - END_OF_HEAD.length ? text : undefined
}
