import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { parseGun } from '../../src/tuf/gun.ts'
import { alteredSigner } from '../support/altered-signer.ts'
import { exchange } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload } from '../support/upload.ts'

interface Held {
  readonly app: LocalApp
  readonly signing: Promise<void>
  readonly release: () => void
}

/** Starts a server on which a publish waits halfway until released. */
async function startHeld(shutdownSeconds: number): Promise<Held> {
  const held = Promise.withResolvers<void>()
  const signing = Promise.withResolvers<void>()
  const app = await startLocalApp({
    settings: { shutdownSeconds },
    alter: ({ signer }) => ({
      signer: alteredSigner(signer, {
        async sign(...rest) {
          signing.resolve()
          await held.promise
          return signer.sign(...rest)
        },
      }),
    }),
  })
  return { app, signing: signing.promise, release: held.resolve }
}

const publishOn = async (app: LocalApp): ReturnType<typeof upload> => {
  const gun = 'stopping.example/app'
  const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
  return upload(app, gun, world.parts('root', 'targets'))
}

test('a shutdown finishes and answers a running publish, and accepts no new connection', async () => {
  const { app, signing, release } = await startHeld(60)
  const published = publishOn(app)
  await signing
  app.accepting = false
  const stopped = app.stopListening()
  const late = connect(Number(new URL(app.url).port), 'localhost')
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
  release()
  assert.equal((await published).status, 200)
  await stopped
  await app.close()
})

test('a shutdown waits for all requests, also if another is answered before', async () => {
  const { app, signing, release } = await startHeld(60)
  const gun = parseGun('stopping.example/turn')
  const turn = Promise.withResolvers<void>()
  const holding = app.trust.turns.take(gun, () => turn.promise)
  const published = publishOn(app)
  // Makes a key, once it is its turn.
  const other = exchange(app, { path: tufPath(gun, 'snapshot.key') })
  await signing
  const stopped = app.stopListening()
  turn.resolve()
  await holding
  assert.equal((await other).status, 200)
  release()
  assert.equal((await published).status, 200)
  await stopped
  await app.close()
})

test('a shutdown cuts off a publish that takes too long', async () => {
  const { app, signing, release } = await startHeld(1)
  const published = publishOn(app)
  const cut = assert.rejects(published, { code: 'ECONNRESET' })
  await signing
  await app.stopListening()
  await cut
  release()
  await app.close()
})

test('neither connections without a request nor answers that were sent delay a shutdown', async () => {
  for (const transport of ['plain', 'tls'] as const) {
    const server = await startTestServer({ transport, settings: { shutdownSeconds: 3_600 } })
    const sockets = [1, 2, 3].map(() => connect(Number(new URL(server.url).port), 'localhost'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    // Leaves one kept-alive connection. The third request is answered by its bytes, without Node's HTTP server.
    const connection = await RawConnection.open(server)
    for (let asked = 0; asked < 3; asked += 1) {
      assert.match(await connection.ask('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^HTTP\/1\.1 200 /)
    }
    for (const socket of sockets) socket.on('error', () => undefined)
    await server.stop()
  }
})

test('a client that went away in the middle of an answer does not delay a shutdown', async () => {
  const server = await startTestServer({ transport: 'plain', settings: { shutdownSeconds: 3_600 } })
  const gun = 'stopping.example/gone'
  const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun) })
  // More than the buffers of the sockets take.
  world.addTarget('large', 'targets', { ...fileMeta(Buffer.from('large')), custom: 'x'.repeat(7 * 1024 * 1024) })
  await world.publishFirst(server)
  const { socket } = await RawConnection.open(server)
  socket.write(`GET ${tufPath(gun, 'targets.json')} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await once(socket, 'data')
  socket.destroy()
  await server.stop()
})

test('during a shutdown, readiness gives 503 and connections are closed', async () => {
  const app = await startLocalApp()
  const live = await exchange(app, { path: '/healthz/ready' })
  assert.deepEqual([live.status, live.body.toString(), live.headers.connection], [200, '{}', 'keep-alive'])
  app.accepting = false
  for (const path of ['/healthz/ready', '/_notary_server/health']) {
    const ready = await exchange(app, { path })
    assert.equal(ready.status, 503)
    assert.deepEqual(JSON.parse(ready.body.toString()), { server: 'shutting down' })
    assert.equal(ready.headers.connection, 'close')
  }
  assert.equal((await exchange(app, { path: '/healthz/live' })).status, 200)
  assert.equal((await exchange(app, { path: tufPath('x/y', 'root.json') })).status, 404)
  await app.close()
})

test('a shutdown finishes and answers a request of the command line', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => rm(server.directory, { recursive: true }))
  const { running, directory } = server
  const socketPath = join(directory, 'data', 'control.sock')
  const body = JSON.stringify({ name: 'alice', grants: [], password: 'correct horse' })
  const headers = { 'content-length': Buffer.byteLength(body) }
  const asked = request({ socketPath, path: '/api/v1/users', method: 'POST', headers })
  const answered = once(asked, 'response') as Promise<[IncomingMessage]>
  const arrived = Promise.withResolvers<void>()
  subscribe('http.server.request.start', () => arrived.resolve())
  asked.end(body)
  await arrived.promise
  // Hashing the password takes longer than closing.
  const ended = running.close()
  const [answer] = await answered
  assert.equal(answer.statusCode, 200)
  assert.deepEqual((JSON.parse(await text(answer)) as { name: string }).name, 'alice')
  await ended
})
