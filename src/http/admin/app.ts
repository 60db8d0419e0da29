import Koa from 'koa'
import { Readable } from 'node:stream'
import { personBehind } from '../../access/identities.ts'
import { LOCAL, type Identity } from '../../access/permission.ts'
import { openApi } from '../../admin/openapi.ts'
import { parsed, type Operation, type World } from '../../admin/operation.ts'
import { OPERATIONS } from '../../admin/operations.ts'
import { rehearsing } from '../../admin/rehearse.ts'
import { ADMIN_PREFIX, takesBody } from '../../admin/request.ts'
import { TrustError } from '../../errors.ts'
import { memoized } from '../../memory/memoized.ts'
import { withPermissionCheck } from '../../repository/trust.ts'
import { Turns } from '../../repository/turns.ts'
import type { Actor } from '../../store/store.ts'
import { Bodies } from '../body.ts'
import type { ClientAddresses } from '../client-address.ts'
import { newCounts } from '../count.ts'
import { answerFailed } from '../errors.ts'
import { Router } from '../koa-router.ts'
import { sentPath } from '../path.ts'
import { bodyOf } from './body.ts'
import { gunIn, headOf, isRehearsal, mergedInput } from './input.ts'
import { answerErrorsAndLog, type AdminMetrics } from './log.ts'
import { permit, stillRecognised } from './permit.ts'
import type { AdminContext, AdminState, Authenticate } from './state.ts'

/** Most requests of one person about their own things that wait behind the running one. */
const OWN_WAITING_MAX = 16
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
