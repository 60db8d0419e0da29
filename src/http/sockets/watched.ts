import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What a connection comes from. */
export interface Listener {
  /** Milliseconds for the first request to come, for something of its answer to be taken, and for each request after it. */
  readonly firstWithin: number
  readonly answerWithin: number
  readonly nextWithin: number
  /** Give the connection to Node's HTTP server. */
  give(socket: Socket): void
  /** An answer begins and ends that Node knows nothing of. */
  begin(): void
  end(): void
}

const END_OF_HEAD = '\r\n\r\n'

type Receive = (chunk: Buffer) => void
/** @returns false if it was not answered */
type Again = (text: string, sent: () => void) => boolean

/**
 * A connection that repeated requests are answered on before Node's HTTP server sees them.
 *
 * That the same bytes mean the same holds only where a request begins. So a connection is watched from its first byte
 * on, and only for as long as each piece that arrives is one whole request without a body; with the first other piece,
 * half a request or an upload, it is Node's alone, for good. What stands in a body is never taken for a request.
 *
 * Node's server gets the connection with the first request that was not seen before: most clients open one for each
 * request, and its part of that costs as much as all else here.
 */
export class Watched {
  /** The request that Node reads at this moment, if it is of the kind to remember. */
  reading: string | undefined
  readonly #socket: Socket
  readonly #listener: Listener
  readonly #maxBytes: number
  readonly #again: Again
  /** Node's own listener for data, once it has the connection. */
  #parse: Receive | undefined
  /** Answers that have not been sent to the end. */
  #running = 0
  #plain = false
  /** The client wants no other answer behind the one that Node gives. */
  #last = false

  /**
   * @param maxBytes longer requests are left to Node
   * @param again answers, if it can, what has been asked before
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

  /** Node has read a request from it. */
  read(response: ServerResponse, plain: boolean): void {
    this.#running += 1
    this.#plain = plain
    this.#last = !response.shouldKeepAlive
    response.once('close', () => {
      this.#running -= 1
    })
  }

  readonly #receive: Receive = (chunk) => {
    // Nothing is read behind the last answer.
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

  /** The client has closed: with nothing under way there is nobody to say goodbye to. */
  readonly #end = (): void => {
    if (this.#running === 0) this.#socket.destroy()
    else this.#socket.end()
  }

  /**
   * Give it to Node, and take the place of Node's listener for data. Until somebody else listens, Node's parser reads
   * from the socket by itself, without telling JavaScript: so ours comes before Node's goes.
   */
  #share(): Receive {
    const parse = this.#give()
    this.#socket.on('data', this.#receive)
    this.#socket.off('data', parse)
    return parse
  }

  /** Leave it to Node. */
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

/** @returns the piece as text, a character a byte, if it ends where its only head ends */
function wholeHead(chunk: Buffer): string | undefined {
  const text = chunk.toString('latin1')
  return text.indexOf(END_OF_HEAD) === text.length - END_OF_HEAD.length ? text : undefined
}
