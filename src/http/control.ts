import { Router } from '@koa/router'
import Koa from 'koa'
import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { TrustError } from '../errors.ts'
import type { Administration } from '../repository/administration.ts'
import type { Log } from '../repository/trust.ts'
import { parseGun, type Gun } from '../tuf/gun.ts'
import { wireErrorOf } from './errors.ts'

/** Bytes of a socket's path that every system takes. */
export const SOCKET_PATH_MAX_BYTES = 100

/**
 * The control socket: how the command line speaks to a running server, since LevelDB lets one process in. A unix socket
 * that only its owner can open; never on the network.
 */
export async function listenForControl(
  path: string,
  administration: Administration,
  log: Log,
): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES) {
    throw new TrustError('BAD_SETTINGS', `the path of the control socket is too long: ${path}`, {
      hint: 'choose a shorter dataDirectory',
    })
  }
  // Left behind by a killed process: this one holds the database's lock, so nobody listens there.
  await rm(path, { force: true })
  const handle = controlApp(administration, log).callback()
  const server = createServer((request, response) => void handle(request, response))
  server.listen(path)
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    throw new TrustError('BAD_SETTINGS', `cannot make the control socket ${path}: ${cause.code ?? cause.message}`, {
      hint: 'the data directory must be on a file system that has unix sockets',
      cause,
    })
  })
  await chmod(path, 0o600)
  return async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
}

function controlApp(administration: Administration, log: Log): Koa {
  const app = new Koa()
  const router = new Router()
  const answer = (path: string, ask: (query: URLSearchParams) => Promise<unknown>, method: 'get' | 'delete' = 'get') =>
    router[method](path, async (ctx) => {
      ctx.body = JSON.stringify({ answer: (await ask(new URLSearchParams(ctx.querystring))) ?? null })
    })
  answer('/check', () => administration.check())
  answer('/repositories', () => administration.list())
  answer('/repository', (query) => administration.show(gunOf(query)))
  answer('/keys', (query) => administration.keys(gunOf(query)))
  answer('/repository', (query) => administration.remove(gunOf(query)), 'delete')
  app.use(async (ctx, next) => {
    ctx.type = 'application/json'
    try {
      await next()
    } catch (error) {
      ctx.status = wireErrorOf(error).status
      ctx.body = JSON.stringify({ error: told(error) })
      log[ctx.status >= 500 ? 'error' : 'info']({ method: ctx.method, path: ctx.path, err: error }, 'control failed')
    }
  })
  app.use(router.routes())
  return app
}

/** Who is at the terminal may read more than a client; a fault of ours is for the log all the same. */
function told(error: unknown): Pick<TrustError, 'code' | 'message' | 'hint'> {
  if (error instanceof TrustError) return { code: error.code, message: error.message, hint: error.hint }
  return { code: 'STORE_UNAVAILABLE', message: 'the server failed to answer', hint: 'its log says why' }
}

function gunOf(query: URLSearchParams): Gun {
  return parseGun(query.get('gun') ?? '')
}
