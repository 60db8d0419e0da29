import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LimitedMap } from '../../memory/limited-map.ts'
import { Watched, type Listener } from '../sockets/watched.ts'

/** What Node's parser found in the words of a plain GET. */
interface KnownWords {
  readonly url: string
  /** Those that are logged, or that say who asks. */
  readonly headers: Pick<IncomingHttpHeaders, 'user-agent' | 'x-forwarded-for'>
  /** True: a token stood in its Authorization header, and another one may. */
  readonly hasToken: boolean
  /** True: it asked for the connection to be closed behind the answer, as docker and notary do. */
  readonly last: boolean
  /** Of the words. */
  readonly bytes: number
}

/** A request as Node would read it. */
export interface RepeatedRequest extends Pick<KnownWords, 'url' | 'headers' | 'last'> {
  readonly authorization: string | undefined
}

/**
 * Answer a request that is known.
 *
 * @param sent called once, when the answer was sent or cannot be
 * @returns false if it was not answered
 */
type AnswerAgain = (request: RepeatedRequest, socket: Socket, sent: () => void) => boolean

/** Longer requests are left to Node, bytes. */
const REQUEST_MAX_BYTES = 4_096
/** Words that are remembered, bytes with what is around each. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_WORDS_BYTES = 256
/** One way to write it, with characters of which none could end the header or begin another. */
const TOKEN = /\r\nAuthorization: Bearer ([\w.-]+)\r\n/

/**
 * A request that is byte for byte one that was read before need not be parsed again: clients ask for the same documents in
 * the same words, and to parse them is half of what a kept answer costs. Nothing here reads HTTP: Node's parser said
 * what the bytes mean when it saw them first. What they must be for that: watched.ts.
 *
 * A token is no part of the words: clients come with a new one each time. It is not remembered, and verified as always.
 */
export class Repeats {
  readonly #known = new LimitedMap<string, KnownWords>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_WORDS_BYTES)
  readonly #watched = new WeakMap<Socket, Watched>()
  readonly #answer: AnswerAgain
  readonly #maxBytes: number

  /** @param headerBytes what Node would take */
  constructor(answer: AnswerAgain, headerBytes: number) {
    this.#answer = answer
    this.#maxBytes = Math.min(REQUEST_MAX_BYTES, headerBytes)
  }

  /** Watch a new connection, ahead of Node's HTTP server. */
  watch(socket: Socket, listener: Listener): void {
    const again = (text: string, sent: () => void): boolean => {
      const { words, authorization } = takeApart(text)
      const known = this.#known.get(words)
      if (known === undefined || known.hasToken !== (authorization !== undefined)) return false
      const { url, headers, last } = known
      const answered = this.#answer({ url, headers, authorization, last }, socket, sent)
      // As Node does it: once all is written.
      if (answered && last) socket.destroySoon()
      return answered
    }
    this.#watched.set(socket, new Watched(socket, listener, this.#maxBytes, again))
  }

  /** Node has read a request; before it is answered. @param plain nothing about it makes another answer than the usual one */
  read(request: IncomingMessage, response: ServerResponse, plain: boolean): void {
    this.#watched.get(request.socket)?.read(response, plain)
  }

  /** The request that was just read was answered with a kept answer: it may be again. */
  remember(request: IncomingMessage, response: ServerResponse): void {
    const text = this.#watched.get(request.socket)?.reading
    if (text === undefined) return
    const { words, authorization } = takeApart(text)
    const { url = '' } = request
    const { authorization: own, 'user-agent': agent, 'x-forwarded-for': forwarded } = request.headers
    // What Node read is what counts.
    if (own !== authorization) return
    const hasToken = authorization !== undefined
    const last = !response.shouldKeepAlive
    const headers = { 'user-agent': agent, 'x-forwarded-for': forwarded }
    this.#known.set(words, { url, headers, hasToken, last, bytes: words.length })
  }
}

/** A request's words without its token, and the header that the token stands in. */
function takeApart(text: string): { words: string; authorization: string | undefined } {
  const found = TOKEN.exec(text)
  if (found === null) return { words: text, authorization: undefined }
  const [line, token = ''] = found
  const end = found.index + line.length - 2
  const words = text.slice(0, end - token.length) + text.slice(end)
  return { words, authorization: `Bearer ${token}` }
}
