import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LimitedMap } from '../tuf/limited-map.ts'
import { Watched, type Listener } from './watched.ts'

/** What Node's parser found in the bytes of a plain GET. */
export interface PlainRequest {
  readonly url: string
  readonly agent: string | undefined
  /** Of the request itself. */
  readonly bytes: number
}

/**
 * Answer a request that is known.
 *
 * @param sent called once, when the answer was sent or cannot be
 * @returns false if it was not answered
 */
export type AnswerAgain = (request: PlainRequest, socket: Socket, sent: () => void) => boolean

/** Requests that are remembered, bytes with what is around each. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_REQUEST_BYTES = 256

/**
 * A request that is byte for byte one that was read before need not be parsed again: clients ask for the same documents in
 * the same words, and to parse them is half of what a kept answer costs. Nothing here reads HTTP: Node's parser said
 * what the bytes mean when it saw them first. What they must be for that: watched.ts.
 */
export class Repeats {
  readonly #known = new LimitedMap<string, PlainRequest>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_REQUEST_BYTES)
  readonly #watched = new WeakMap<Socket, Watched>()
  readonly #answer: AnswerAgain

  constructor(answer: AnswerAgain) {
    this.#answer = answer
  }

  /** Watch a new connection, ahead of Node's HTTP server. */
  watch(socket: Socket, listener: Listener): void {
    const again = (text: string, sent: () => void): boolean => {
      const request = this.#known.get(text)
      return request !== undefined && this.#answer(request, socket, sent)
    }
    this.#watched.set(socket, new Watched(socket, listener, again))
  }

  /** Node has read a request; before it is answered. @param plain nothing about it makes another answer than the usual one */
  read(request: IncomingMessage, response: ServerResponse, plain: boolean): void {
    this.#watched.get(request.socket)?.read(response, plain)
  }

  /**
   * The request that was just read was answered with a kept answer: it may be again. Not one with credentials: they are
   * asked for anew each time, and are no secrets to keep.
   */
  remember(request: IncomingMessage): void {
    const text = this.#watched.get(request.socket)?.reading
    if (text === undefined || request.headers.authorization !== undefined) return
    this.#known.set(text, { url: request.url ?? '', agent: request.headers['user-agent'], bytes: text.length })
  }
}
