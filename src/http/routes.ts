import type { Action } from '../access/permission.ts'
import { authorize, type Needs } from './authorize.ts'
import { getChangefeed, getGlobalChangefeed } from './feed.ts'
import { getLiveness, getMetrics, getPing, getReadiness } from './health.ts'
import { Router } from './koa-router.ts'
import { getTufFile, postTufFile } from './metadata.ts'
import { parseTufFile } from './path.ts'
import type { Context, State, Wiring } from './state.ts'
import { getToken, postToken, TOKEN_PATH } from './token.ts'
import { deleteRepository, postUpload } from './upload.ts'

/**
 * One route: method, path, operation (its name in metrics), required permission, and the function that makes its handler.
 */
interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly operation: string
  readonly needs: Needs
  readonly handler: (wiring: Wiring) => (ctx: Context) => void | Promise<void>
}

/**
 * All routes of the server, in matching order (wire spec §2). HEAD works wherever GET does. `*gun` may contain slashes
 * and is greedy: the last `/_trust/tuf/` splits.
 */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v2/', operation: 'Ping', needs: 'identity', handler: getPing },
  {
    method: 'GET',
    path: '/v2/_trust/changefeed',
    operation: 'Changefeed',
    needs: 'read',
    handler: getGlobalChangefeed,
  },
  { method: 'GET', path: '/v2/*gun/_trust/changefeed', operation: 'Changefeed', needs: 'read', handler: getChangefeed },
  { method: 'POST', path: '/v2/*gun/_trust/tuf/', operation: 'UpdateTUF', needs: 'sign', handler: postUpload },
  {
    method: 'DELETE',
    path: '/v2/*gun/_trust/tuf/',
    operation: 'DeleteTUF',
    needs: 'delete',
    handler: deleteRepository,
  },
  { method: 'GET', path: '/v2/*gun/_trust/tuf/*file', operation: 'GetRole', needs: neededToGet, handler: getTufFile },
  { method: 'POST', path: '/v2/*gun/_trust/tuf/*file', operation: 'RotateKey', needs: 'rotate', handler: postTufFile },
  { method: 'GET', path: TOKEN_PATH, operation: 'Token', needs: 'nothing', handler: getToken },
  { method: 'POST', path: TOKEN_PATH, operation: 'Token', needs: 'nothing', handler: postToken },
  { method: 'GET', path: '/_notary_server/health', operation: 'Health', needs: 'nothing', handler: getReadiness },
  { method: 'GET', path: '/healthz/ready', operation: 'Health', needs: 'nothing', handler: getReadiness },
  { method: 'GET', path: '/healthz/live', operation: 'Health', needs: 'nothing', handler: getLiveness },
  { method: 'GET', path: '/metrics', operation: 'Metrics', needs: 'nothing', handler: getMetrics },
]

/** Requesting a key creates one: only those who may publish need it. */
function neededToGet(file: string): Action {
  return parseTufFile(file)?.form === 'key' ? 'sign' : 'read'
}

export function createRouter(wiring: Wiring): Router<State, object> {
  // Trailing slashes and case are significant.
  const router = new Router<State, object>({ strict: true, sensitive: true })
  for (const { method, path, operation, needs, handler } of ROUTES) {
    const handle = handler(wiring)
    router.register(path, [method], async (ctx) => {
      ctx.state.operation = operation
      await authorize(ctx, wiring, needs)
      await handle(ctx)
    })
  }
  return router
}
