import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Gun } from '../tuf/gun.ts'
import { readerAtOnce, type Reader } from './authorize.ts'
import { credentialsIn, credentialsOf, type Credentials } from './credentials.ts'
import { httpDate } from './http-date.ts'
import type { KeptAnswer } from './kept-answers.ts'
import type { RepeatedRequest } from './repeats.ts'
import { recordRequest } from './request-log.ts'
import type { Context, Wiring } from './state.ts'

/** Characters of a URL; longer ones, and those with a query, are not kept. */
const URL_MAX_LENGTH = 600

/**
 * Keep the answer that a route has just made.
 *
 * @param stamp of the repository, read before anything that it was made from
 */
export function keepAnswer({ kept, trust: { store } }: Wiring, ctx: Context, gun: Gun, stamp: Uint8Array): void {
  const url = ctx.originalUrl
  const { operation = '', role = '' } = ctx.state
  if (ctx.method !== 'GET' || ctx.status !== 200 || !(ctx.body instanceof Buffer)) return
  if (url.length > URL_MAX_LENGTH || url.includes('?')) return
  const repository = store.head(gun)
  if (store.stamp(gun)?.equals(stamp) !== true) return
  const ends = ['timestamp', 'snapshot'].map((made) => repository?.roles[made]?.expires ?? Infinity)
  const headers = Object.entries(ctx.response.headers).flatMap(([name, value]) =>
    name === 'x-request-id' || value === undefined ? [] : [name, String(value)],
  )
  const lines = headers.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`))
  const head = `HTTP/1.1 200 OK\r\n${lines.join('')}`
  // A copy: what came from the store is a part of the whole record.
  const { body } = ctx
  kept.set(url, { gun, stamp: Buffer.from(stamp), until: Math.min(...ends), operation, role, headers, head, body })
}

/**
 * Answer a plain GET of a document from what was answered before: most of what a trust server is asked. Everything
 * else goes its way through the routes.
 *
 * @returns false if it was not answered
 */
export function answerKept(wiring: Wiring, request: IncomingMessage, response: ServerResponse): boolean {
  const { url = '', socket } = request
  const { tokenBytes } = wiring.settings.limits
  const found = findAnswer(wiring, url, socket, () => credentialsOf(request, tokenBytes))
  if (found === undefined) return false
  const { headers, body } = found.answer
  const note = noteOf(wiring, found, socket, request.headers['user-agent'])
  response.writeHead(200, [...headers, 'X-Request-Id', note.requestId])
  response.end(body)
  response.once('close', () => note.sent(response.writableFinished))
  return true
}

/**
 * Answer a request that Node's parser has read before, with the bytes that Node would send.
 *
 * @param sent called when that is done
 * @returns false if it was not answered
 */
export function answerAgain(
  wiring: Wiring,
  { url, agent, authorization, last }: RepeatedRequest,
  socket: Socket,
  sent: () => void,
): boolean {
  const { tokenBytes, keepAliveSeconds: keptFor } = wiring.settings.limits
  const found = findAnswer(wiring, url, socket, () => credentialsIn(authorization, tokenBytes))
  if (found === undefined) return false
  const { head, body } = found.answer
  const note = noteOf(wiring, found, socket, agent)
  const then = last ? 'close' : `keep-alive\r\nKeep-Alive: timeout=${keptFor}`
  socket.cork()
  socket.write(`${head}X-Request-Id: ${note.requestId}\r\nDate: ${httpDate()}\r\nConnection: ${then}\r\n\r\n`, 'latin1')
  socket.write(body, (error) => {
    sent()
    note.sent(error == null)
  })
  socket.uncork()
  return true
}

interface Found {
  readonly answer: KeptAnswer
  readonly reader: Reader
}

/**
 * The answer to a URL, if nothing has changed since it was made, and who asks may read it.
 */
function findAnswer(
  { kept, accepting, trust, gate }: Wiring,
  url: string,
  socket: Socket,
  credentials: () => Credentials,
): Found | undefined {
  const answer = kept.get(url)
  if (answer === undefined || !accepting()) return undefined
  const { gun, stamp, until } = answer
  try {
    if (trust.store.stamp(gun)?.equals(stamp) !== true || trust.now() > until) return undefined
    const reader = readerAtOnce(gate, gun, socket, credentials)
    return reader === undefined ? undefined : { answer, reader }
  } catch {
    // The route says what is wrong.
    return undefined
  }
}

/** What will be logged and counted of a request that is answered so. */
function noteOf({ trust, metrics }: Wiring, { answer, reader }: Found, socket: Socket, agent: string | undefined) {
  const start = performance.now()
  const requestId = randomUUID()
  const { gun, operation, role, body } = answer
  const who = reader.identity === undefined ? {} : { actor: reader.identity.name }
  // Gone from the socket once it is closed.
  const { remoteAddress: address } = socket
  const facts = { requestId, method: 'GET', operation, gun, role, ...who, bytes: body.length, address, agent }
  return {
    requestId,
    sent: (whole: boolean): void => recordRequest(trust.log, metrics, whole, 200, start, facts),
  }
}
