import Koa from 'koa'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { covers } from '../../access/grant.ts'
import { holderOf, personBehind } from '../../access/identities.ts'
import { allows, LOCAL, type Action, type Identity } from '../../access/permission.ts'
import { openApi } from '../../admin/openapi.ts'
import { parsed, type Operation, type World } from '../../admin/operation.ts'
import { OPERATIONS } from '../../admin/operations.ts'
import { rehearsing } from '../../admin/rehearse.ts'
import { ADMIN_PREFIX, takesBody } from '../../admin/request.ts'
import { TrustError } from '../../errors.ts'
import { memoized } from '../../memory/memoized.ts'
import { noSuchRepository } from '../../repository/no-such-repository.ts'
import { withPermissionCheck, type Trust } from '../../repository/trust.ts'
import { Turns } from '../../repository/turns.ts'
import type { Actor } from '../../store/store.ts'
import { Bodies } from '../body.ts'
import type { ClientAddresses } from '../client-address.ts'
import { newCounts } from '../count.ts'
import { answerFailed } from '../errors.ts'
import { Router } from '../koa-router.ts'
import { sentPath } from '../path.ts'
import { bodyOf } from './body.ts'
import { mergedInput, type RequestPart } from './input.ts'
import { answerErrorsAndLog, type AdminMetrics } from './log.ts'
import type { AdminContext, AdminState, Authenticate } from './state.ts'

/** Most requests of one person about their own things that wait behind the running one. */
const OWN_WAITING_MAX = 16
/** Most members of a query; no operation takes more than a few. */
const QUERY_MEMBERS_MAX = 100
/** Makes it once: that takes as long as a hundred requests, and everybody recognised may ask for it. */
const openApiOnce = memoized(openApi)
/** Rows of a list that are written at once: a millisecond. */
const ROWS_AT_ONCE = 1_000

/**
 * Creates the admin API: one route per operation, JSON in and out, `{"error": {code, message, hint}}` for refusals.
 * `?dryRun=true` does everything except changing something.
 *
 * @param parkedBytes most bytes of all bodies being received here: everybody who is recognised may send some
 */
export function adminApp(
  world: Omit<World, 'asker'>,
  authenticate: Authenticate,
  clients: ClientAddresses,
  metrics: AdminMetrics,
  parkedBytes: number,
): Koa<AdminState, object> {
  const bodies = new Bodies(parkedBytes, newCounts())
  const persons = new Turns<string>(OWN_WAITING_MAX, { tooMany: 'too many of your requests are waiting' })
  const app = new Koa<AdminState, object>({ proxy: false })
  const router = new Router<AdminState, object>({ prefix: ADMIN_PREFIX, strict: true, sensitive: true })
  for (const operation of OPERATIONS) {
    router.register(operation.path, [operation.method], async (ctx) => {
      ctx.state.operation = operation.name
      ctx.state.identity = await authenticate(ctx)
      answer(ctx, await runOperation(operation, ctx, ctx.state.identity, world, bodies, persons))
    })
  }
  router.get('/openapi.json', async (ctx) => {
    ctx.state.operation = 'openapi'
    ctx.state.identity = await authenticate(ctx)
    answer(ctx, openApiOnce(OPERATIONS))
  })
  app.on('error', answerFailed(world.trust.log))
  app.use(answerErrorsAndLog(world.trust.log, clients, metrics))
  app.use((ctx, next) => {
    // Before the router reads the path, and throws an error that quotes the URL.
    sentPath(ctx)
    return next()
  })
  app.use(router.routes())
  app.use(() => {
    throw new TrustError('NOT_FOUND', 'there is no such operation', {
      hint: 'see /api/v1/openapi.json; the name of a repository is one segment of the path: docker.io%2Facme%2Fapp',
    })
  })
  return app
}

/** Authorizes a request, reads its input, and runs the operation. @returns its output @throws TrustError */
async function runOperation(
  operation: Operation,
  ctx: AdminContext,
  identity: Identity,
  world: Omit<World, 'asker'>,
  bodies: Bodies,
  persons: Turns<string>,
): Promise<unknown> {
  const head = headOf(operation, ctx)
  const gun = gunIn(operation, mergedInput(...head))
  if (gun !== undefined) ctx.state.gun = gun
  // Authorize again: while a body arrives or a request waits for its turn, access may have been revoked.
  const asker = (): Identity => stillRecognised(world.trust, identity)
  const recheckPermission = (): void => permit(asker(), operation, gun)
  recheckPermission()
  const person = identity === LOCAL ? undefined : personBehind(world.trust.store, identity)
  const body = takesBody(operation) ? await bodyOf(ctx.req, operation, bodies, person) : {}
  const input = mergedInput(...head, ['the body', body])
  const own: World = { ...world, trust: withPermissionCheck(world.trust, recheckPermission), asker }
  const { requestId, address } = ctx.state
  const actor: Actor = { name: identity.name, address, requestId }
  const where = { ...(isRehearsal(ctx) ? rehearsing(own) : own), gone: () => disconnectSignal(ctx) }
  const run = async (): Promise<unknown> => {
    recheckPermission()
    return operation.run(where, parsed(operation, input), actor)
  }
  // Everybody may use these operations: somebody who does so endlessly must not block those who would stop it.
  return operation.action === 'own' && person !== undefined ? persons.take(person, run) : run()
}

/** Returns what the request's head says. @throws TrustError INVALID_PARAMETERS */
function headOf({ input }: Operation, ctx: AdminContext): RequestPart[] {
  // Koa compares each member with all others: many of them would hold up everybody for seconds.
  if (ctx.querystring.split('&').length > QUERY_MEMBERS_MAX) {
    throw new TrustError('INVALID_PARAMETERS', `the query has more than ${QUERY_MEMBERS_MAX} members`)
  }
  const { dryRun: _, ...query } = ctx.query
  const empty = Object.keys(query).find((name) => String(query[name]).trim() === '')
  // Coerced to a number, it would be 0.
  if (empty !== undefined) throw new TrustError('INVALID_PARAMETERS', `${empty}: has no value; leave it out`)
  const ifMatch = ctx.get('If-Match')
  const headers = ifMatch !== '' && 'ifMatch' in input.shape ? { ifMatch } : {}
  return [
    ['the path', ctx.params as Record<string, string>],
    ['the query', query],
    ['If-Match', headers],
  ]
}

/** A typing error must not turn a rehearsal into the real thing. @throws TrustError INVALID_PARAMETERS */
function isRehearsal({ query }: AdminContext): boolean {
  const { dryRun = 'false' } = query
  if (dryRun === 'true' || dryRun === 'false') return dryRun === 'true'
  throw new TrustError('INVALID_PARAMETERS', 'dryRun: write it as dryRun=true')
}

/** @throws TrustError UNAUTHENTICATED */
function stillRecognised({ store, now }: Trust, identity: Identity): Identity {
  const { subject } = identity
  const still = subject === undefined ? identity : holderOf(store, subject, now())
  if (still !== undefined) return still
  throw new TrustError('UNAUTHENTICATED', 'the credentials are no longer valid')
}

/**
 * Returns the repository, or the pattern of repositories, that the input names.
 *
 * @throws TrustError INVALID_GUN, INVALID_PARAMETERS
 */
function gunIn({ input: { shape } }: Operation, { gun }: Record<string, unknown>): string | undefined {
  return 'gun' in shape && typeof gun === 'string' ? String(z.parse(shape['gun'], gun)) : undefined
}

/**
 * Checks permission. Callers that may not even read learn nothing about what exists.
 *
 * @param gun a pattern needs permission for all that it matches; undefined: the server itself
 * @throws TrustError NOT_FOUND, FORBIDDEN
 */
function permit(identity: Identity, { action }: Operation, gun: string | undefined): void {
  const may = (wanted: Action): boolean =>
    gun === undefined ? allows(identity, wanted, undefined) : covers(identity, { pattern: gun, actions: [wanted] })
  if (action === 'own' || may(action)) return
  if (gun !== undefined && !may('read')) noSuchRepository(gun)
  const what = gun === undefined ? 'this server' : gun
  throw new TrustError('FORBIDDEN', `${identity.name} may not ${action} ${what}`)
}

/** Returns a signal that is aborted if the connection ends before the response is sent. */
function disconnectSignal({ res }: AdminContext): AbortSignal {
  const gone = new AbortController()
  const abort = (): void => gone.abort(new TrustError('WRONG_STATE', 'the client has gone away'))
  if (res.closed) abort()
  else res.once('close', abort)
  return gone.signal
}

/** Writes a list as JSON, some rows at a time: those of 100,000 repositories would hold up all other requests. */
function* inParts(rows: readonly unknown[]): Generator<string> {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    yield `${at === 0 ? '[' : ','}${JSON.stringify(rows.slice(at, at + ROWS_AT_ONCE)).slice(1, -1)}`
  }
  yield ']'
}

function answer(ctx: AdminContext, output: unknown): void {
  if (typeof output === 'object' && output !== null && 'etag' in output && typeof output.etag === 'string') {
    ctx.set('ETag', `"${output.etag}"`)
  }
  ctx.type = 'json'
  const isLong = Array.isArray(output) && output.length > ROWS_AT_ONCE
  ctx.body = isLong ? Readable.from(inParts(output)) : JSON.stringify(output ?? null)
}
