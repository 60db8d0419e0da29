import type { Log } from '../log/log.ts'
import type { RequestMetrics } from './metrics/requests.ts'

/** What a request's log line says beside its status and time. */
interface RequestFacts {
  readonly requestId: string
  readonly method: string
  /** Name of the route, as Notary names it. */
  readonly operation: string
  readonly gun: string | undefined
  readonly role: string | undefined
  /** Who asked, if it is known. */
  readonly actor: string | undefined
  /** Of the answer's body. */
  readonly bytes: number
  readonly address: string | undefined
  readonly agent: string | undefined
}

/** Logged and counted for a client that went away before its answer was sent; the field's habit, no status of HTTP. */
const STATUS_ABORTED = 499
/** Characters of the client's name for itself. */
const AGENT_MAX_LENGTH = 200

/**
 * Log and count a request that is over: one line of JSON. Never a header but the user agent, never a query, a token or
 * a body.
 *
 * @param whole false: the client went away before its answer was sent
 * @param status as it was meant
 * @param start of the request, from `performance.now()`
 * @param error what was thrown while answering
 */
export function recordRequest(
  log: Log,
  metrics: RequestMetrics,
  whole: boolean,
  status: number,
  start: number,
  { requestId, method, operation, gun, role, actor, bytes, address, agent = '' }: RequestFacts,
  error?: unknown,
): void {
  const ms = performance.now() - start
  const sent = whole ? status : STATUS_ABORTED
  metrics.request(operation, method, sent, ms / 1000)
  const asked = { requestId, method, operation, gun, role, actor, bytes, address }
  const line = { ...asked, status: sent, ms: Math.round(ms * 100) / 100, agent: agent.slice(0, AGENT_MAX_LENGTH) }
  if (error === undefined) log.info(line, 'request')
  else if (sent >= 500) log.error({ ...line, err: error }, 'request failed')
  else log.info({ ...line, refused: (error as Error).message }, 'request refused')
}
