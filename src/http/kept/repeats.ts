import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Watched, type Listener } from '../sockets/watched.ts'
import { KnownRequests, type KnownRequest } from './known-requests.ts'

/**
 * Answers a known request.
 *
 * @param sent called once, when the response was sent or cannot be
 * @returns false if it was not answered
 */
type AnswerAgain = (request: KnownRequest, socket: Socket, sent: () => void) => boolean

/** Longest request, in bytes; longer ones are left to Node. */
const REQUEST_MAX_BYTES = 4_096

/**
 * Answers requests that repeat an earlier one byte for byte without parsing them again: clients send the same text for
 * the same document, and parsing is half the cost of a kept response. What a text means is in known-requests.ts; which
 * bytes of a connection are the text of a request, in watched.ts.
 *
 * For each request that Node reads, call `nodeHasRead` and then, if it got a kept response, `remember`. From then on the
 * same text is answered here.
 */
export class Repeats {
  readonly #known = new KnownRequests()
  readonly #watched = new WeakMap<Socket, Watched>()
  readonly #answer: AnswerAgain
  readonly #maxBytes: number

  /** @param headerBytes Node's limit */
  constructor(answer: AnswerAgain, headerBytes: number) {
    this.#answer = answer
    this.#maxBytes = Math.min(REQUEST_MAX_BYTES, headerBytes)
  }

  /** Watches a new connection, before Node's HTTP server sees it. */
  watch(socket: Socket, listener: Listener): void {
    const answer = (text: string, sent: () => void): boolean => this.#answerIfKnown(text, socket, sent)
    this.#watched.set(socket, new Watched(socket, listener, this.#maxBytes, answer))
  }

  /**
   * Takes note of a request that Node has read, before it is answered.
   *
   * @param plain true: nothing about it changes the response
   * @returns its text, for `remember`; undefined if it must not be remembered
   */
  nodeHasRead(request: IncomingMessage, response: ServerResponse, plain: boolean): string | undefined {
    return this.#watched.get(request.socket)?.nodeHasRead(response, plain)
  }

  /** Remembers a request that got a kept response, and may get it again. @param text as `nodeHasRead` returned it */
  remember(text: string, request: IncomingMessage, response: ServerResponse): void {
    this.#known.remember(text, request, response)
  }

  #answerIfKnown(text: string, socket: Socket, sent: () => void): boolean {
    const request = this.#known.find(text)
    if (request === undefined || !this.#answer(request, socket, sent)) return false
    // Like Node, close once everything is written.
    if (request.last) socket.destroySoon()
    return true
  }
}
