import { Router } from '@koa/router'
import { getChangefeed, getGlobalChangefeed } from './feed.ts'
import { getLiveness, getMetrics, getPing, getReadiness } from './health.ts'
import { getTufFile, postTufFile } from './metadata.ts'
import type { Context, State, Wiring } from './state.ts'
import { deleteRepository, postUpload } from './upload.ts'

/** One route: method, path, operation (its name in metrics) and what makes its handler. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly operation: string
  readonly handler: (wiring: Wiring) => (ctx: Context) => void | Promise<void>
}

/**
 * Every route of the server, in matching order (wire spec §2). HEAD works wherever GET does. `*gun` may contain
 * slashes and is greedy: the last `/_trust/tuf/` splits.
 */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v2/', operation: 'Ping', handler: getPing },
  { method: 'GET', path: '/v2/_trust/changefeed', operation: 'Changefeed', handler: getGlobalChangefeed },
  { method: 'GET', path: '/v2/*gun/_trust/changefeed', operation: 'Changefeed', handler: getChangefeed },
  { method: 'POST', path: '/v2/*gun/_trust/tuf/', operation: 'UpdateTUF', handler: postUpload },
  { method: 'DELETE', path: '/v2/*gun/_trust/tuf/', operation: 'DeleteTUF', handler: deleteRepository },
  { method: 'GET', path: '/v2/*gun/_trust/tuf/*file', operation: 'GetRole', handler: getTufFile },
  { method: 'POST', path: '/v2/*gun/_trust/tuf/*file', operation: 'RotateKey', handler: postTufFile },
  { method: 'GET', path: '/_notary_server/health', operation: 'Health', handler: getReadiness },
  { method: 'GET', path: '/healthz/ready', operation: 'Health', handler: getReadiness },
  { method: 'GET', path: '/healthz/live', operation: 'Health', handler: getLiveness },
  { method: 'GET', path: '/metrics', operation: 'Metrics', handler: getMetrics },
]

export function createRouter(wiring: Wiring): Router<State, object> {
  // A trailing slash is significant, and so is case.
  const router = new Router<State, object>({ strict: true, sensitive: true })
  for (const { method, path, operation, handler } of ROUTES) {
    const handle = handler(wiring)
    router.register(path, [method], async (ctx) => {
      ctx.state.operation = operation
      await handle(ctx)
    })
  }
  return router
}
