import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Gun } from '../tuf/gun.ts'
import { LimitedMap } from '../tuf/limited-map.ts'
import { countOfHosts } from './hosts.ts'
import { recordRequest } from './request-log.ts'
import type { Context, Wiring } from './state.ts'

/** An answer to a GET of a document, ready to be sent again. */
export interface KeptAnswer {
  readonly gun: Gun
  /** The repository's when it was made: nothing has changed while it has this one. */
  readonly stamp: Buffer
  /** Milliseconds since 1970, from when the server would sign anew. */
  readonly until: number
  readonly operation: string
  readonly role: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Bytes of all answers that are kept… */
const KEPT_MAX_BYTES = 24 * 1024 * 1024
/** …where each takes so much beside its body: URL, headers, objects. */
const AROUND_BODY_BYTES = 2_048
/** Characters of a URL; longer ones, and those with a query, are not kept. */
const URL_MAX_LENGTH = 600

/**
 * Answers to GETs that were asked for lately, by URL as it was sent. Whether one still is right is seen by the stamp of its
 * repository, which is read from the store every time. What was kept first is dropped first.
 */
export class KeptAnswers extends LimitedMap<string, KeptAnswer> {
  constructor() {
    super(KEPT_MAX_BYTES, ({ body }) => body.length + AROUND_BODY_BYTES)
  }
}

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
  const head = store.head(gun)
  if (store.stamp(gun)?.equals(stamp) !== true) return
  const ends = ['timestamp', 'snapshot'].map((made) => head?.roles[made]?.expires ?? Infinity)
  const headers = Object.entries(ctx.response.headers).flatMap(([name, value]) =>
    name === 'x-request-id' || value === undefined ? [] : [name, String(value)],
  )
  // A copy: what came from the store is a part of the whole record.
  kept.set(url, { gun, stamp: Buffer.from(stamp), until: Math.min(...ends), operation, role, headers, body: ctx.body })
}

/**
 * Answer a plain GET of a document from what was answered before: most of what a trust server is asked. Everything
 * else, and whatever is not plain, goes its way through the routes.
 *
 * @returns false if it was not answered
 */
export function answerKept(wiring: Wiring, request: IncomingMessage, response: ServerResponse): boolean {
  const { kept, trust, gate, accepting } = wiring
  if (gate !== undefined && !gate.publicReads) return false
  const answer = request.method === 'GET' ? kept.get(request.url ?? '') : undefined
  if (answer === undefined || !isPlain(request) || !accepting() || !isCurrent(wiring, answer)) return false
  const start = performance.now()
  const { gun, operation, role, headers, body } = answer
  const requestId = randomUUID()
  response.writeHead(200, [...headers, 'X-Request-Id', requestId])
  response.end(body)
  const { remoteAddress: address } = request.socket
  const agent = request.headers['user-agent']
  response.once('close', () => {
    const facts = { requestId, method: 'GET', operation, gun, role, bytes: body.length, address, agent }
    recordRequest(trust.log, wiring.metrics, response, 200, start, facts)
  })
  return true
}

function isCurrent({ trust }: Wiring, { gun, stamp, until }: KeptAnswer): boolean {
  try {
    return trust.store.stamp(gun)?.equals(stamp) === true && trust.now() <= until
  } catch {
    // The route says what is wrong.
    return false
  }
}

/** Nothing that makes another answer than the usual one: conditions, credentials, a body, a doubtful Host. */
function isPlain(request: IncomingMessage): boolean {
  const { headers, httpVersion } = request
  if (httpVersion !== '1.1' || headers['if-none-match'] !== undefined || headers.authorization !== undefined)
    return false
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false
  return countOfHosts(request) === 1
}
