import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { LimitedMap } from '../../memory/limited-map.ts'

/** A request as Node's parser would read it. */
export interface KnownRequest {
  readonly url: string
  /** Headers that are logged, or that say who makes the request. */
  readonly headers: Pick<IncomingHttpHeaders, 'user-agent' | 'x-forwarded-for'>
  readonly authorization: string | undefined
  /** True: the client asked to close the connection after the response, as docker and notary do. */
  readonly last: boolean
}

/** What Node's parser found in the text of a request. */
interface Reading extends Omit<KnownRequest, 'authorization'> {
  /** True: its Authorization header held a token, and may hold another one. */
  readonly hasToken: boolean
  /** Size of the text. */
  readonly bytes: number
}

/** Bytes of all remembered texts, with the overhead of each. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_TEXT_BYTES = 256
/** Accepts one spelling only, with characters that can neither end the header nor begin another. */
const TOKEN = /\r\nAuthorization: Bearer ([\w.-]+)\r\n/

/**
 * The texts of requests that Node's parser has read, with what it found in them. Nothing here interprets HTTP: the same
 * text means the same.
 *
 * A token is not part of the text, since clients come with a new one each time. It is not remembered, and verified as
 * always.
 */
export class KnownRequests {
  /** By text without token, one character per byte. */
  readonly #readings = new LimitedMap<string, Reading>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_TEXT_BYTES)

  /** Returns what a text means; undefined if it was not remembered. */
  find(text: string): KnownRequest | undefined {
    const { rest, authorization } = splitToken(text)
    const reading = this.#readings.get(rest)
    if (reading === undefined || reading.hasToken !== (authorization !== undefined)) return undefined
    const { url, headers, last } = reading
    return { url, headers, authorization, last }
  }

  /** Remembers a request that Node's parser has read from exactly this text, and how it will be answered. */
  remember(text: string, { url = '', headers }: IncomingMessage, { shouldKeepAlive }: ServerResponse): void {
    const { rest, authorization } = splitToken(text)
    // Only what Node read counts.
    if (headers.authorization !== authorization) return
    this.#readings.set(rest, {
      url,
      headers: { 'user-agent': headers['user-agent'], 'x-forwarded-for': headers['x-forwarded-for'] },
      hasToken: authorization !== undefined,
      last: !shouldKeepAlive,
      bytes: rest.length,
    })
  }
}

/** Splits a text into the rest without the token, and the value of the header with the token. */
function splitToken(text: string): { rest: string; authorization: string | undefined } {
  const found = TOKEN.exec(text)
  if (found === null) return { rest: text, authorization: undefined }
  const [line, token = ''] = found
  const end = found.index + line.length - 2
  const rest = text.slice(0, end - token.length) + text.slice(end)
  return { rest, authorization: `Bearer ${token}` }
}
