import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { LOCAL } from '../../src/access/permission.ts'
import { showExpiry } from '../../src/admin/expiry.ts'
import { findDigest } from '../../src/admin/find.ts'
import type { World } from '../../src/admin/operation.ts'
import { listRepositories } from '../../src/admin/repositories.ts'
import { TrustError } from '../../src/errors.ts'
import { adminApp } from '../../src/http/admin/app.ts'
import { listenOnSocket } from '../../src/http/admin/socket.ts'
import { clientAddresses } from '../../src/http/client-address.ts'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import type { Ending } from '../../src/repository/expiry.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { localKeys, localPublish, openLocalTrust, TEST_ACTOR } from '../support/local-trust.ts'
import { worldOf } from '../support/people.ts'
import { TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'

const GUN = parseGun('docker.io/acme/app')
const NOW = Date.UTC(2026, 10, 24)
const ROWS = 2_500

/** The admin API with thousands of things that end. @param waiting resolves when they may be listed */
async function start(waiting: Promise<void>) {
  const local = await openLocalTrust(NOW)
  const lines: Line[] = []
  const trust = { ...local.trust, log: keptLog(lines) }
  let asked = false
  const certificates = async (): Promise<Ending[]> => {
    asked = true
    await waiting
    return Array.from({ length: ROWS }, (_, index) => ({ what: `client CA ${index}`, expires: NOW + index }))
  }
  const world: World = { ...worldOf({ trust }), certificates }
  const app = adminApp(world, async () => LOCAL, clientAddresses([]), createMetrics(trust, local.directory), 1_000_000)
  const directory = await mkdtemp(join(tmpdir(), 'countersign-long-lists-'))
  const socketPath = join(directory, 'control.sock')
  const stop = await listenOnSocket(socketPath, app, 1_000)
  const close = async (): Promise<void> => {
    await stop()
    await local.close()
    await rm(directory, { recursive: true })
  }
  const asking = request({ socketPath, path: '/api/v1/expiry' }).end()
  return { asking, lines, world, local, wasAsked: () => asked, close }
}

test('a list of thousands of rows is sent in parts, and complete', async (t) => {
  const server = await start(Promise.resolve())
  t.after(() => server.close())
  const [answer] = (await once(server.asking, 'response')) as [IncomingMessage]
  const { headers } = answer
  const rows = JSON.parse(await text(answer)) as { what: string }[]
  assert.deepEqual(
    rows.map(({ what }) => what),
    Array.from({ length: ROWS }, (_, index) => `client CA ${index}`),
  )
  assert.match(String(headers['content-type']), /^application\/json/)
  assert.equal(headers['transfer-encoding'], 'chunked')
})

test('what lists everything gives up when its client goes away', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const server = await start(promise)
  t.after(() => server.close())
  server.asking.on('error', () => undefined)
  await until('the request has arrived', server.wasAsked)
  server.asking.destroy()
  // The server learns of it within a few turns: only then may it go on.
  for (let turn = 0; turn < 50; turn += 1) await setImmediate()
  resolve()
  await until('its line', () => server.lines.length > 0)
  assert.equal(server.lines[0]?.['refused'], 'the client has gone away')

  const { trust } = server.local
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN), snapshot: 'server' })
  await localPublish(trust, GUN, owner.parts('root', 'targets'))
  const reason = new TrustError('WRONG_STATE', 'the client has gone away')
  const left: World = { ...server.world, gone: () => AbortSignal.abort(reason) }
  await assert.rejects(listRepositories.run(left, { pattern: '*' }, TEST_ACTOR), reason)
  await assert.rejects(showExpiry.run(left, { days: 1 }, TEST_ACTOR), reason)
  await assert.rejects(findDigest.run(left, { digest: `sha256:${'0'.repeat(64)}` }, TEST_ACTOR), reason)
})
