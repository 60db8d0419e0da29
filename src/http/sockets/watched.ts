import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The listener that a connection comes from. */
export interface Listener {
  /** Milliseconds for the first request, for the client to take more of its response, and for each later request. */
  readonly firstWithin: number
  readonly answerWithin: number
  readonly nextWithin: number
  /** Hands the connection to Node's HTTP server. */
  giveToNode(socket: Socket): void
  /** A response begins and ends that Node does not know of. */
  answerBegins(): void
  answerEnds(): void
}

const END_OF_HEAD = '\r\n\r\n'

type Receive = (chunk: Buffer) => void
/** @returns false if it was not answered */
type AnswerIfKnown = (text: string, sent: () => void) => boolean

/**
 * A connection on which repeated requests are answered before Node's HTTP server sees them.
 *
 * The same bytes mean the same only where a request begins. So a connection is watched from its first byte, and only as
 * long as each chunk that arrives is exactly one request without a body. With the first other chunk, such as half a request
 * or an upload, the connection is left to Node for good. So the content of a body is never taken for a request.
 *
 * It goes through these stages, and never back:
 *
 * 1. Unknown to Node. Most clients open a connection per request, and Node's share of one costs as much as everything else
 *    here: if their requests are repeated ones, Node never gets it.
 * 2. Shared, from the first request on that was not seen before: chunks still arrive here, and those that cannot be
 *    answered here are handed to Node's parser.
 * 3. Left to Node: chunks go to its parser directly.
 */
export class Watched {
  readonly #socket: Socket
  readonly #listener: Listener
  readonly #maxBytes: number
  readonly #answerIfKnown: AnswerIfKnown
  /** Node's own data listener, once the connection is shared. */
  #parse: Receive | undefined
  /** The text of the chunk that Node's parser is reading, and whether it has found a plain request in it. */
  #inParser: string | undefined
  #wasPlain = false
  /** Responses not sent completely, Node's and ours. */
  #unsent = 0
  /** True: Node's current response is the last one that the client wants. */
  #nodeWillClose = false

  /**
   * @param maxBytes longer requests are left to Node
   * @param answerIfKnown answers a request that was seen before, if it can
   */
  constructor(socket: Socket, listener: Listener, maxBytes: number, answerIfKnown: AnswerIfKnown) {
    this.#socket = socket
    this.#listener = listener
    this.#maxBytes = maxBytes
    this.#answerIfKnown = answerIfKnown
    socket.setTimeout(listener.firstWithin)
    socket.on('timeout', this.#destroy)
    socket.on('error', this.#destroy)
    socket.on('end', this.#clientHasEnded)
    socket.on('data', this.#receive)
  }

  /**
   * Node has read a request from this connection: at once from a chunk that was handed to its parser, or later if an
   * earlier request is still being answered (pipelining.ts).
   *
   * @param plain true: it has no body, and nothing about it changes the response
   * @returns the request's text; undefined if it came later or was not a chunk of its own
   */
  nodeHasRead(response: ServerResponse, plain: boolean): string | undefined {
    this.#wasPlain = plain
    this.#nodeWillClose = !response.shouldKeepAlive
    this.#unsent += 1
    response.once('close', () => {
      this.#unsent -= 1
    })
    return this.#inParser
  }

  readonly #receive: Receive = (chunk) => {
    // Read nothing after the last response.
    if (this.#nodeWillClose || this.#socket.writableEnded) return
    const text = chunk.length > this.#maxBytes ? undefined : wholeHead(chunk)
    if (text === undefined) {
      const parse = this.#leaveToNode()
      parse(chunk)
    } else if (!this.#answer(text)) {
      const wasPlain = this.#letNodeRead(chunk, text)
      if (!wasPlain) this.#leaveToNode()
    }
  }

  /** Answers a request here, if it is known. While another is being answered, Node gets it, and keeps order and limits. */
  #answer(text: string): boolean {
    if (this.#unsent > 0 || !this.#answerIfKnown(text, this.#sent)) return false
    this.#unsent += 1
    this.#listener.answerBegins()
    this.#socket.setTimeout(this.#listener.answerWithin)
    return true
  }

  readonly #sent = (): void => {
    this.#unsent -= 1
    this.#listener.answerEnds()
    if (this.#unsent === 0) this.#socket.setTimeout(this.#listener.nextWithin)
  }

  /** @returns true if the chunk was a plain request for Node's parser: then the next chunk begins another one */
  #letNodeRead(chunk: Buffer, text: string): boolean {
    this.#parse ??= this.#shareWithNode()
    this.#inParser = text
    this.#wasPlain = false
    this.#parse(chunk)
    this.#inParser = undefined
    return this.#wasPlain
  }

  /**
   * Gives the connection to Node, and takes the place of Node's data listener. While nobody else listens, Node's parser
   * reads from the socket directly, without JavaScript: so add our listener before removing Node's.
   */
  #shareWithNode(): Receive {
    const parse = this.#giveToNode()
    this.#socket.on('data', this.#receive)
    this.#socket.off('data', parse)
    return parse
  }

  /** Stops watching. @returns Node's data listener, for the current chunk; further ones go there directly */
  #leaveToNode(): Receive {
    if (this.#parse === undefined) return this.#giveToNode()
    this.#socket.on('data', this.#parse)
    this.#socket.off('data', this.#receive)
    return this.#parse
  }

  /** Ends the first stage. @returns the data listener that Node has added */
  #giveToNode(): Receive {
    const socket = this.#socket
    socket.setTimeout(0)
    socket.off('timeout', this.#destroy)
    socket.off('error', this.#destroy)
    socket.off('end', this.#clientHasEnded)
    socket.off('data', this.#receive)
    this.#listener.giveToNode(socket)
    return socket.listeners('data')[0] as Receive
  }

  readonly #destroy = (): void => {
    this.#socket.destroy()
  }

  /** If no response is running, nobody is left to receive anything. */
  readonly #clientHasEnded = (): void => {
    if (this.#unsent === 0) this.#socket.destroy()
    else this.#socket.end()
  }
}

/** @returns the chunk as text, one character per byte, if it ends exactly where its only head ends */
function wholeHead(chunk: Buffer): string | undefined {
  const text = chunk.toString('latin1')
  return text.indexOf(END_OF_HEAD) === text.length - END_OF_HEAD.length ? text : undefined
}
