import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LimitedMap } from '../../memory/limited-map.ts'
import { Watched, type Listener } from '../sockets/watched.ts'

/** What Node's parser found in the text of a plain GET. */
interface KnownWords {
  readonly url: string
  /** Headers that are logged, or that say who makes the request. */
  readonly headers: Pick<IncomingHttpHeaders, 'user-agent' | 'x-forwarded-for'>
  /** True: its Authorization header held a token, and may hold another one. */
  readonly hasToken: boolean
  /** True: the client asked to close the connection after the response, as docker and notary do. */
  readonly last: boolean
  /** Size of the text. */
  readonly bytes: number
}

/** A request as Node would read it. */
export interface RepeatedRequest extends Pick<KnownWords, 'url' | 'headers' | 'last'> {
  readonly authorization: string | undefined
}

/**
 * Answers a known request.
 *
 * @param sent called once, when the response was sent or cannot be
 * @returns false if it was not answered
 */
type AnswerAgain = (request: RepeatedRequest, socket: Socket, sent: () => void) => boolean

/** Longest request, in bytes; longer ones are left to Node. */
const REQUEST_MAX_BYTES = 4_096
/** Bytes of all remembered texts, with the overhead of each. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_WORDS_BYTES = 256
/** Accepts one spelling only, with characters that can neither end the header nor begin another. */
const TOKEN = /\r\nAuthorization: Bearer ([\w.-]+)\r\n/

/**
 * Answers requests that repeat an earlier one byte for byte without parsing them again: clients send the same text for
 * the same document, and parsing is half the cost of a kept response. Nothing here interprets HTTP: Node's parser said
 * what the bytes mean when it first saw them. What makes that safe: watched.ts.
 *
 * A token is not part of the text, since clients come with a new one each time. It is not remembered, and verified as
 * always.
 */
export class Repeats {
  readonly #known = new LimitedMap<string, KnownWords>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_WORDS_BYTES)
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
    const again = (text: string, sent: () => void): boolean => {
      const { words, authorization } = splitToken(text)
      const known = this.#known.get(words)
      if (known === undefined || known.hasToken !== (authorization !== undefined)) return false
      const { url, headers, last } = known
      const answered = this.#answer({ url, headers, authorization, last }, socket, sent)
      // Like Node, close once everything is written.
      if (answered && last) socket.destroySoon()
      return answered
    }
    this.#watched.set(socket, new Watched(socket, listener, this.#maxBytes, again))
  }

  /** Node has read a request, not yet answered. @param plain true: nothing about it changes the response */
  read(request: IncomingMessage, response: ServerResponse, plain: boolean): void {
    this.#watched.get(request.socket)?.read(response, plain)
  }

  /** Remembers the request just read: it got a kept response, and may get it again. */
  remember(request: IncomingMessage, response: ServerResponse): void {
    const text = this.#watched.get(request.socket)?.reading
    if (text === undefined) return
    const { words, authorization } = splitToken(text)
    const { url = '' } = request
    const { authorization: own, 'user-agent': agent, 'x-forwarded-for': forwarded } = request.headers
    // Only what Node read counts.
    if (own !== authorization) return
    const hasToken = authorization !== undefined
    const last = !response.shouldKeepAlive
    const headers = { 'user-agent': agent, 'x-forwarded-for': forwarded }
    this.#known.set(words, { url, headers, hasToken, last, bytes: words.length })
  }
}

/** Splits a request into its text without the token, and the header with the token. */
function splitToken(text: string): { words: string; authorization: string | undefined } {
  const found = TOKEN.exec(text)
  if (found === null) return { words: text, authorization: undefined }
  const [line, token = ''] = found
  const end = found.index + line.length - 2
  const words = text.slice(0, end - token.length) + text.slice(end)
  return { words, authorization: `Bearer ${token}` }
}
