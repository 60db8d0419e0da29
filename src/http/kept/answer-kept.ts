import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Trust } from '../../repository/trust.ts'
import { NOBODY, readerAtOnce, type Reader } from '../authorize.ts'
import type { Sent } from '../client-address.ts'
import { credentialsIn, credentialsOf, type Credentials } from '../credentials.ts'
import { httpDate } from '../http-date.ts'
import { recordRequest } from '../request-log.ts'
import { AT_ONCE_MAX_BYTES, endWith } from '../sockets/slices.ts'
import type { Wiring } from '../state.ts'
import type { KeptAnswer, Source } from './kept-answers.ts'
import type { KnownRequest } from './known-requests.ts'

/**
 * Answers a plain GET with a kept response: most requests to a trust server are for documents, after a ping. Everything
 * else goes to the routes.
 *
 * @returns false if it was not answered
 */
export function answerKept(wiring: Wiring, request: IncomingMessage, response: ServerResponse): boolean {
  const { url = '', socket } = request
  const { tokenBytes } = wiring.settings.limits
  const found = findAnswer(wiring, url, socket, () => credentialsOf(request, tokenBytes))
  if (found === undefined) return false
  const { status, head, body } = found.answer
  const note = noteOf(wiring, found, request)
  response.writeHead(status, [...headersIn(head), 'X-Request-Id', note.requestId])
  endWith(response, body)
  response.once('close', () => note.sent(response.writableFinished))
  return true
}

/**
 * Returns names and values in turn, as Node takes them. Stored beside the text, they would be half of a kept response.
 */
function headersIn(head: string): string[] {
  const lines = head.split('\r\n').slice(1, -1)
  return lines.flatMap((line) => {
    const colon = line.indexOf(': ')
    return [line.slice(0, colon), line.slice(colon + 2)]
  })
}

/**
 * Answers a request that Node's parser has read before, with the bytes that Node would send.
 *
 * @param sent called when that is done
 * @returns false if it was not answered
 */
export function answerAgain(
  wiring: Wiring,
  { url, headers, authorization, last }: KnownRequest,
  socket: Socket,
  sent: () => void,
): boolean {
  const { tokenBytes, keepAliveSeconds: keptFor } = wiring.settings.limits
  const found = findAnswer(wiring, url, socket, () => credentialsIn(authorization, tokenBytes))
  // Leave what is sent in slices to Node: until it is sent, nothing more may be read, nor the connection closed.
  if (found === undefined || found.answer.body.length > AT_ONCE_MAX_BYTES) return false
  const { head, body } = found.answer
  const note = noteOf(wiring, found, { socket, headers })
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

/** Returns the response to a URL, if nothing has changed since it was made, and the client may have it. */
function findAnswer(
  { kept, accepting, trust, gate }: Wiring,
  url: string,
  socket: Socket,
  credentials: () => Credentials,
): Found | undefined {
  const answer = kept.answers.get(url)
  const refusal = kept.refusals.get(url)
  if ((answer ?? refusal) === undefined || !accepting()) return undefined
  try {
    const reader = readerAtOnce(gate, answer?.source?.gun, socket, credentials)
    if (reader === 'refused') return refusal === undefined ? undefined : { answer: refusal, reader: NOBODY }
    if (reader === undefined || answer === undefined || !isCurrent(answer.source, trust)) return undefined
    return { answer, reader }
  } catch {
    // Let the route report what is wrong.
    return undefined
  }
}

function isCurrent(source: Source | undefined, { store, now }: Trust): boolean {
  if (source === undefined) return true
  if (now() > source.until) return false
  const writes = store.writes(source.gun)
  if (writes !== undefined && writes === source.writes) return true
  if (store.stamp(source.gun)?.equals(source.stamp) !== true) return false
  source.writes = writes
  return true
}

/** Returns what to log and count for a request that is answered this way. */
function noteOf({ trust, metrics, clients }: Wiring, { answer, reader }: Found, request: Sent) {
  const start = performance.now()
  const requestId = randomUUID()
  const { status, refusal, body } = answer
  const { operation, gun, role } = answer.about
  const asked = { requestId, method: 'GET', operation, gun, role, actor: reader.identity?.name }
  // Read it now: a closed socket no longer has it.
  const address = clients.of(request)
  const facts = { ...asked, bytes: body.length, address, agent: request.headers['user-agent'] }
  return {
    requestId,
    sent: (whole: boolean): void => recordRequest(trust.log, metrics, whole, status, start, facts, refusal),
  }
}
