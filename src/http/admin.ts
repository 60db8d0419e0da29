import { Router } from '@koa/router'
import Koa, { type ParameterizedContext } from 'koa'
import { randomUUID } from 'node:crypto'
import { json } from 'node:stream/consumers'
import { z } from 'zod'
import { covers } from '../access/grant.ts'
import { allows, type Action, type Identity } from '../access/permission.ts'
import { openApi } from '../admin/openapi.ts'
import { parsed, type Operation, type World } from '../admin/operation.ts'
import { OPERATIONS } from '../admin/operations.ts'
import { rehearsing } from '../admin/rehearse.ts'
import { ADMIN_PREFIX } from '../admin/request.ts'
import { TrustError } from '../errors.ts'
import type { Actor } from '../store/store.ts'
import { isOfConnection, wireErrorOf } from './errors.ts'

/** Bytes of a request's body. */
const BODY_MAX_BYTES = 16 * 1024 * 1024

export interface AdminState {
  requestId: string
}
export type AdminContext = ParameterizedContext<AdminState, object>

/** Who asks. @throws TrustError UNAUTHENTICATED */
export type Authenticate = (ctx: AdminContext) => Promise<Identity>

/**
 * The admin API: one route an operation, JSON in and out, `{"error": {code, message, hint}}` for what is refused.
 * `?dryRun=true` does everything but change something.
 */
export function adminApp(world: World, authenticate: Authenticate): Koa<AdminState, object> {
  const app = new Koa<AdminState, object>({ proxy: false })
  const router = new Router<AdminState, object>({ prefix: ADMIN_PREFIX, strict: true, sensitive: true })
  for (const operation of OPERATIONS) {
    router.register(operation.path, [operation.method], async (ctx) => {
      const identity = await authenticate(ctx)
      const input = await inputOf(operation, ctx)
      permit(identity, operation, input)
      const actor: Actor = { name: identity.name, ...addressOf(ctx), requestId: ctx.state.requestId }
      const where = isRehearsal(ctx) ? rehearsing(world) : world
      const output = await operation.run(where, parsed(operation, input), actor)
      answer(ctx, output)
    })
  }
  router.get('/openapi.json', async (ctx) => {
    await authenticate(ctx)
    answer(ctx, openApi(OPERATIONS))
  })
  app.on('error', (error: NodeJS.ErrnoException) => {
    if (!isOfConnection(error)) world.trust.log.error({ err: error }, 'an answer failed')
  })
  app.use(answerErrors(world))
  app.use(router.routes())
  app.use(() => {
    throw new TrustError('NOT_FOUND', 'there is no such operation')
  })
  return app
}

function answerErrors({ trust: { log } }: World) {
  return async (ctx: AdminContext, next: () => Promise<unknown>): Promise<void> => {
    ctx.state.requestId = randomUUID()
    ctx.set('X-Request-Id', ctx.state.requestId)
    try {
      await next()
    } catch (error) {
      ctx.status = wireErrorOf(error).status
      if (ctx.status === 401) ctx.set('WWW-Authenticate', 'Basic realm="countersign"')
      ctx.type = 'json'
      ctx.body = JSON.stringify({ error: told(error) })
      const facts = { requestId: ctx.state.requestId, method: ctx.method, path: ctx.path }
      if (ctx.status >= 500) log.error({ ...facts, err: error }, 'admin request failed')
      else log.info({ ...facts, refused: told(error).message }, 'admin request refused')
    }
  }
}

async function inputOf({ method, input }: Operation, ctx: AdminContext): Promise<Record<string, unknown>> {
  const { params } = ctx as AdminContext & { params: Readonly<Record<string, string>> }
  const { dryRun: _, ...query } = ctx.query
  const given = method === 'GET' || method === 'DELETE' ? query : { ...query, ...(await bodyOf(ctx)) }
  const ifMatch = ctx.get('If-Match')
  return { ...given, ...(ifMatch !== '' && 'ifMatch' in input.shape ? { ifMatch } : {}), ...params }
}

/** Who mistypes it must not get the real thing. @throws TrustError INVALID_PARAMETERS */
function isRehearsal({ query }: AdminContext): boolean {
  const { dryRun = 'false' } = query
  if (dryRun === 'true' || dryRun === 'false') return dryRun === 'true'
  throw new TrustError('INVALID_PARAMETERS', 'dryRun: write it as dryRun=true')
}

async function bodyOf({ req }: AdminContext): Promise<object> {
  if (req.headers['content-length'] === undefined && req.headers['transfer-encoding'] === undefined) return {}
  if (Number(req.headers['content-length'] ?? Infinity) > BODY_MAX_BYTES) {
    throw new TrustError('INVALID_PARAMETERS', `the body needs a Content-Length of at most ${BODY_MAX_BYTES}`)
  }
  const body = await json(req).catch(() => {
    // Without the parser's error: it quotes the body, which may hold a password.
    throw new TrustError('INVALID_PARAMETERS', 'the body is not JSON')
  })
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  throw new TrustError('INVALID_PARAMETERS', 'the body must be a JSON object')
}

/**
 * Who may not even read learns nothing about what is there.
 *
 * @throws TrustError NOT_FOUND, FORBIDDEN, INVALID_GUN, INVALID_PARAMETERS
 */
function permit(identity: Identity, { action, input: schema }: Operation, input: Record<string, unknown>): void {
  if (action === 'own') return
  const gun = gunIn(schema, input)
  // The audit takes a pattern: one must be allowed it on all that the pattern names.
  const may = (wanted: Action): boolean =>
    gun === undefined ? allows(identity, wanted, undefined) : covers(identity, { pattern: gun, actions: [wanted] })
  if (may(action)) return
  if (gun !== undefined && !may('read')) {
    throw new TrustError('NOT_FOUND', `there is no repository ${gun}`, {
      hint: '"countersign repo list" prints all names',
    })
  }
  const what = gun === undefined ? 'this server' : gun
  throw new TrustError('FORBIDDEN', `${identity.name} may not ${action} ${what}`)
}

/** The repository, or the pattern of repositories, that the input names, as the operation reads it. */
function gunIn({ shape }: Operation['input'], { gun }: Record<string, unknown>): string | undefined {
  return 'gun' in shape && typeof gun === 'string' ? String(z.parse(shape['gun'], gun)) : undefined
}

function answer(ctx: AdminContext, output: unknown): void {
  if (typeof output === 'object' && output !== null && 'etag' in output && typeof output.etag === 'string') {
    ctx.set('ETag', `"${output.etag}"`)
  }
  ctx.type = 'json'
  ctx.body = JSON.stringify(output ?? null)
}

/** A unix socket has no address. */
function addressOf({ req }: AdminContext): { address?: string } {
  const { remoteAddress } = req.socket
  return remoteAddress === undefined ? {} : { address: remoteAddress }
}

/** An admin may read more than a client; a fault of ours is for the log all the same. */
function told(error: unknown): Pick<TrustError, 'code' | 'message' | 'hint'> {
  if (error instanceof TrustError) return { code: error.code, message: error.message, hint: error.hint }
  return { code: 'STORE_UNAVAILABLE', message: 'the server failed to answer', hint: 'its log says why' }
}
