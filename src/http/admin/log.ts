import { randomUUID } from 'node:crypto'
import { TrustError } from '../../errors.ts'
import type { Log } from '../../log/log.ts'
import type { ClientAddresses } from '../client-address.ts'
import { wireErrorOf } from '../errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { AdminContext } from './state.ts'

/** Operation of a request that names none. */
const UNKNOWN = 'unknown'

/** Where requests are counted. */
export type AdminMetrics = Pick<Metrics, 'adminRequest'>

/**
 * Wraps every admin request: sets its id, sends refusals as JSON, logs one line, and counts it. Never logs path, query or
 * body: people paste tokens and passwords there.
 */
export function answerErrorsAndLog(log: Log, clients: ClientAddresses, metrics: AdminMetrics) {
  return async (ctx: AdminContext, next: () => Promise<unknown>): Promise<void> => {
    const start = performance.now()
    ctx.state.requestId = randomUUID()
    // Read it now: a closed socket no longer has it.
    ctx.state.address = clients.of(ctx.req)
    ctx.set('X-Request-Id', ctx.state.requestId)
    ctx.set('Cache-Control', 'no-store')
    try {
      await next()
      log.info(factsOf(ctx, start), 'admin request')
    } catch (error) {
      answerError(ctx, error)
      if (ctx.status >= 500 && !isOfStop(error))
        log.error({ ...factsOf(ctx, start), err: error }, 'admin request failed')
      else log.info({ ...factsOf(ctx, start), refused: errorForAdmin(error).message }, 'admin request refused')
    }
    metrics.adminRequest(ctx.state.operation ?? UNKNOWN, ctx.status)
  }
}

function answerError(ctx: AdminContext, error: unknown): void {
  const { status, retryAfter } = wireErrorOf(error)
  ctx.status = status
  if (status === 401) ctx.set('WWW-Authenticate', 'Basic realm="countersign"')
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
  ctx.type = 'json'
  ctx.body = JSON.stringify({ error: errorForAdmin(error) })
}

/** Tells an admin more than a client; our own faults go to the log only. */
export function errorForAdmin(error: unknown): Pick<TrustError, 'code' | 'message' | 'hint'> {
  if (error instanceof TrustError) return { code: error.code, message: error.message, hint: error.hint }
  return { code: 'STORE_UNAVAILABLE', message: 'the server failed to answer', hint: 'its log says why' }
}

/** True for what an orderly stop leaves undone: nobody needs to be told of a fault. */
function isOfStop(error: unknown): boolean {
  return error instanceof TrustError && error.code === 'STOPPING'
}

function factsOf({ state, method, status }: AdminContext, start: number): object {
  const { requestId, operation = UNKNOWN, gun, identity, address } = state
  const ms = Math.round((performance.now() - start) * 100) / 100
  return { requestId, method, operation, gun, status, ms, actor: identity?.name, address }
}
