import type { Log } from '../log/log.ts'
import type { RequestMetrics } from './metrics/requests.ts'

/** The content of a request's log line, besides status and time. */
interface RequestFacts {
  readonly requestId: string
  readonly method: string
  /** The route's operation, by Notary's name for it. */
  readonly operation: string
  readonly gun: string | undefined
  readonly role: string | undefined
  /** Who made the request, if known. */
  readonly actor: string | undefined
  /** Length of the response body. */
  readonly bytes: number
  readonly address: string | undefined
  readonly agent: string | undefined
}

/** Status to log and count if a client went away before its response was sent: a common convention, not part of HTTP. */
const STATUS_ABORTED = 499
/** Most characters of the user agent. */
const AGENT_MAX_LENGTH = 200

/**
 * Logs and counts a finished request, as one line of JSON. Never logs a header but the user agent, nor a query, a token
 * or a body.
 *
 * @param whole false: the client went away before its response was sent
 * @param status the intended status
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
