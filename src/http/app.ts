import Koa from 'koa'
import { randomUUID } from 'node:crypto'
import { TrustError } from '../errors.ts'
import type { Trust } from '../repository/trust.ts'
import type { HttpSettings } from '../settings-schema.ts'
import { Bodies } from './body.ts'
import { errorBody, notFoundBody, wireErrorOf } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { decodePath } from './path.ts'
import { createRouter } from './routes.ts'
import type { Context, State, Wiring } from './state.ts'

type Next = () => Promise<unknown>

/** The whole HTTP application; `listen` in server.ts puts it on a socket. */
export function createApp(
  trust: Trust,
  settings: HttpSettings,
  metrics: Metrics,
  accepting: () => boolean = () => true,
): Koa<State, object> {
  const bodies = new Bodies(settings.limits.parkedBytes)
  const wiring: Wiring = { trust, settings, metrics, bodies, accepting }
  const app = new Koa<State, object>({ proxy: false })
  app.use(logAndMeasure(wiring))
  app.use(answerErrors)
  app.use(normalisePath(settings.limits.urlBytes))
  app.use(createRouter(wiring).routes())
  app.use(answerUnknown)
  // A client that goes away in the middle of an answer is no fault of ours.
  app.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') trust.log.error({ err: error }, 'an answer failed')
  })
  return app
}

/** One line of JSON a request. Never a header but the user agent, never a query, a token or a body. */
function logAndMeasure({ trust, metrics }: Wiring) {
  return async (ctx: Context, next: Next): Promise<void> => {
    const start = performance.now()
    // Gone from the socket once it is closed.
    const address = ctx.req.socket.remoteAddress
    ctx.state.requestId = randomUUID()
    ctx.set('X-Request-Id', ctx.state.requestId)
    ctx.res.once('close', () => {
      const { operation = 'unknown', gun, role, requestId, error } = ctx.state
      const ms = performance.now() - start
      metrics.request(operation, ctx.method, ctx.status, ms / 1000)
      const facts = {
        requestId,
        method: ctx.method,
        operation,
        ...(gun === undefined ? {} : { gun }),
        ...(role === undefined ? {} : { role }),
        status: ctx.status,
        ms: Math.round(ms * 100) / 100,
        bytes: ctx.length ?? 0,
        address,
        agent: ctx.get('User-Agent').slice(0, 200),
      }
      if (error === undefined) trust.log.info(facts, 'request')
      else if (ctx.status >= 500) trust.log.error({ ...facts, err: error }, 'request failed')
      else trust.log.info({ ...facts, refused: (error as Error).message }, 'request refused')
    })
    await next()
  }
}

async function answerErrors(ctx: Context, next: Next): Promise<void> {
  try {
    await next()
  } catch (error) {
    const { status, retryAfter } = wireErrorOf(error)
    ctx.state.error = error
    ctx.status = status
    for (const name of ['Cache-Control', 'ETag', 'Last-Modified']) ctx.remove(name)
    if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
    ctx.type = 'application/json; charset=utf-8'
    ctx.body = errorBody(error)
  }
}

/** Routes see the path decoded once and clean; written back so that the router's own decoding gives the same. */
function normalisePath(urlBytes: number) {
  return async (ctx: Context, next: Next): Promise<void> => {
    if (Buffer.byteLength(ctx.req.url ?? '') > urlBytes) {
      throw new TrustError('INVALID_PARAMETERS', `the URL is longer than ${urlBytes} bytes`)
    }
    const path = decodePath(ctx.path)
    if (path === undefined) throw new TrustError('INVALID_PARAMETERS', 'the path has broken percent-encoding')
    ctx.path = path.split('/').map(encodeURIComponent).join('/')
    await next()
  }
}

/** Methods that a path without a route answers with 404; all others are 405 everywhere (wire spec §2). */
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']

function answerUnknown(ctx: Context): void {
  ctx.type = 'application/json; charset=utf-8'
  if (KNOWN_METHODS.includes(ctx.method)) {
    ctx.status = 404
    ctx.body = notFoundBody()
    return
  }
  ctx.status = 405
  ctx.body = ''
  ctx.remove('Content-Type')
}
