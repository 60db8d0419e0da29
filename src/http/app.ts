import Koa from 'koa'
import { randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { TrustError } from '../errors.ts'
import { authorize } from './authorize.ts'
import { Bodies, discardRest } from './body.ts'
import { Unauthorized } from './challenge.ts'
import { clientAddresses } from './client-address.ts'
import type { Counts } from './count.ts'
import { answerFailed, errorBody, notRouted, tokenErrorBody, wireErrorOf } from './errors.ts'
import { InFlight } from './in-flight.ts'
import { answerAgain, answerKept } from './kept/answer-kept.ts'
import { keepRefusal } from './kept/keep-answer.ts'
import { KeptAnswers } from './kept/kept-answers.ts'
import { countOfHosts, isPlain } from './kept/plain.ts'
import { Repeats } from './kept/repeats.ts'
import { decodePath, sentPath } from './path.ts'
import { recordRequest } from './request-log.ts'
import { createRouter } from './routes.ts'
import { AT_ONCE_MAX_BYTES, endWith } from './sockets/slices.ts'
import type { Listener } from './sockets/watched.ts'
import type { Context, State, Wiring } from './state.ts'

type Next = () => Promise<unknown>

/**
 * `Cache-Control` of all responses but documents, which state their own lifetime: caches may keep a response without
 * it, even a 404, as long as they see fit (RFC 9111 §4.2.2).
 */
const NOT_KEPT = 'no-store'

/** What `listen` serves on a socket, such as a Koa application. */
export interface App {
  callback(): RequestListener
  /** Takes a new connection, for TLS after the handshake. By default, Node's HTTP server takes it. */
  readonly connected?: ((socket: Socket, listener: Listener) => void) | undefined
}

/** The parts of the application. */
interface AppParts extends Omit<Wiring, 'bodies' | 'inFlight' | 'clients' | 'kept'> {
  /** Bytes of bodies being received. */
  readonly parked: Counts
}

/** Creates the whole HTTP application; `listen` in server.ts serves it on a socket. */
export function createApp({ parked, ...parts }: AppParts): App {
  const { settings } = parts
  const bodies = new Bodies(settings.limits.parkedBytes, parked)
  const clients = clientAddresses(settings.listen.trustedProxies)
  const inFlight = new InFlight(settings.limits.publishBytesInFlight)
  const wiring: Wiring = { ...parts, bodies, inFlight, clients, kept: new KeptAnswers() }
  const app = new Koa<State, object>({ proxy: false })
  app.use(logAndMeasure(wiring))
  app.use(sendLarge)
  app.use(readToTheEnd)
  app.use(answerErrors(wiring))
  app.use(refuseAmbiguous)
  app.use(normalisePath(settings.limits.urlBytes))
  app.use(createRouter(wiring).routes())
  app.use(answerUnknown(wiring))
  app.on('error', answerFailed(parts.trust.log))
  const handle = app.callback()
  const repeats = new Repeats(
    (request, socket, sent) => answerAgain(wiring, request, socket, sent),
    settings.limits.headerBytes,
  )
  return {
    callback: () => (request, response) => {
      const plain = isPlain(request)
      const text = repeats.nodeHasRead(request, response, plain)
      if (!plain || !answerKept(wiring, request, response)) void handle(request, response)
      else if (text !== undefined) repeats.remember(text, request, response)
    },
    connected: (socket, listener) => repeats.watch(socket, listener),
  }
}

function logAndMeasure({ trust, metrics, clients, accepting }: Wiring) {
  return async (ctx: Context, next: Next): Promise<void> => {
    const start = performance.now()
    // Read it now: a closed socket no longer has it.
    const address = clients.of(ctx.req)
    ctx.state.address = address
    ctx.state.requestId = randomUUID()
    ctx.set('X-Request-Id', ctx.state.requestId)
    if (!accepting()) ctx.set('Connection', 'close')
    ctx.res.once('close', () => {
      const { operation = 'unknown', gun, role, requestId, identity, error } = ctx.state
      const asked = { requestId, method: ctx.method, operation, gun, role, actor: identity?.name }
      const facts = { ...asked, bytes: ctx.length ?? 0, address, agent: ctx.get('User-Agent') }
      recordRequest(trust.log, metrics, ctx.res.writableFinished, ctx.status, start, facts, error)
    })
    await next()
  }
}

/** Sends large bodies in slices, where Koa would write them at once. */
async function sendLarge(ctx: Context, next: Next): Promise<void> {
  await next()
  const body = ctx.body as Buffer | string | null | undefined
  if (body == null || body.length <= AT_ONCE_MAX_BYTES || ctx.method === 'HEAD') return
  ctx.respond = false
  endWith(ctx.res, body)
}

/** Reads the rest of the request: a client that is still sending would not read the response. */
async function readToTheEnd(ctx: Context, next: Next): Promise<void> {
  await next()
  await discardRest(ctx.req)
}

function answerErrors(wiring: Wiring) {
  return async (ctx: Context, next: Next): Promise<void> => {
    ctx.set('Cache-Control', NOT_KEPT)
    try {
      await next()
    } catch (error) {
      const { status, retryAfter } = wireErrorOf(error)
      ctx.state.error = error
      ctx.status = status
      for (const name of ['ETag', 'Last-Modified']) ctx.remove(name)
      ctx.set('Cache-Control', NOT_KEPT)
      if (error instanceof Unauthorized) ctx.set('WWW-Authenticate', error.challenge)
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
      ctx.type = 'application/json; charset=utf-8'
      ctx.body = ctx.state.operation === 'Token' ? tokenErrorBody(error) : errorBody(error)
      if (error instanceof Unauthorized) keepRefusal(wiring, ctx, error)
    }
  }
}

/**
 * Refuses requests that Node's parser accepts but proxies read in different ways: two Host headers, and versions of
 * HTTP that need none (RFC 9112 §3.2).
 */
async function refuseAmbiguous(ctx: Context, next: Next): Promise<void> {
  const { httpVersion } = ctx.req
  const clear = httpVersion === '1.1' || httpVersion === '1.0'
  if (!clear || countOfHosts(ctx.req) > 1) {
    ctx.set('Connection', 'close')
    throw new TrustError(
      'INVALID_PARAMETERS',
      clear ? 'the request has more than one Host' : 'only HTTP/1.1 and 1.0 are supported',
    )
  }
  // Node drops data that arrived together with an upgrade request: whoever sent it must not wait for a response.
  if (ctx.req.headers.upgrade !== undefined) ctx.res.shouldKeepAlive = false
  await next()
}

/**
 * Decodes the path once and cleans it for the routes; encodes it again so that the router's own decoding has the same
 * result.
 */
function normalisePath(urlBytes: number) {
  return async (ctx: Context, next: Next): Promise<void> => {
    if (Buffer.byteLength(ctx.req.url ?? '') > urlBytes) {
      throw new TrustError('INVALID_PARAMETERS', `the URL is longer than ${urlBytes} bytes`)
    }
    ctx.path = decodePath(sentPath(ctx)).split('/').map(encodeURIComponent).join('/')
    await next()
  }
}

/** Methods that get a 404 on a path without a route; all others get a 405 on every path (wire spec §2). */
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']

function answerUnknown(wiring: Wiring) {
  return async (ctx: Context): Promise<void> => {
    if (KNOWN_METHODS.includes(ctx.method)) {
      await authorize(ctx, wiring, 'identity')
      notRouted(ctx)
      return
    }
    ctx.status = 405
    ctx.body = ''
    ctx.remove('Content-Type')
  }
}
