import { Router } from '@koa/router'
import Koa from 'koa'
import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { TrustError } from '../errors.ts'
import type { Administration } from '../repository/administration.ts'
import { parseGun, type Gun } from '../tuf/gun.ts'
import { wireErrorOf } from './errors.ts'

/** Bytes of a socket's path that every system takes. */
export const SOCKET_PATH_MAX_BYTES = 100

/**
 * The control socket: how the command line speaks to a running server, since LevelDB lets one process in. A unix socket
 * that only its owner can open; never on the network.
 */
export async function listenForControl(path: string, administration: Administration): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES) {
    throw new TrustError('BAD_SETTINGS', `the path of the control socket is too long: ${path}`, {
      hint: 'choose a shorter keysDirectory',
    })
  }
  // Left behind by a killed process: this one holds the database's lock, so nobody listens there.
  await rm(path, { force: true })
  const handle = controlApp(administration).callback()
  const server = createServer((request, response) => void handle(request, response))
  server.listen(path)
  await once(server, 'listening')
  await chmod(path, 0o600)
  return async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
}

function controlApp(administration: Administration): Koa {
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
      if (!(error instanceof TrustError)) throw error
      ctx.status = wireErrorOf(error).status
      const { code, message, hint } = error
      ctx.body = JSON.stringify({ error: { code, message, hint } })
    }
  })
  app.use(router.routes())
  return app
}

function gunOf(query: URLSearchParams): Gun {
  return parseGun(query.get('gun') ?? '')
}
