import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import { allEndings } from '../../src/repository/expiry.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { goodClaims, goodToken } from '../access/hostile-tokens.ts'
import { keySetOf, makeServiceKeys } from '../access/token-forge.ts'
import { exchange, type Endpoint } from '../support/exchange.ts'
import { startLocalApp } from '../support/local-app.ts'
import { timeText } from '../support/metadata-file.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const DAY = 86_400_000

const scrape = async (app: Endpoint): Promise<string> =>
  (await exchange(app, { path: '/metrics' })).body.toString('utf8')

test('the first scrape and concurrent ones include process metrics; requests count from the start', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  await exchange(app, { path: '/v2/' })
  for (const text of [...(await Promise.all([scrape(app), scrape(app)])), await scrape(app)]) {
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds', 'countersign_commits']) {
      assert.equal(text.match(new RegExp(`^${name} `, 'gm'))?.length, 1, `${name} in\n${text}`)
    }
    assert.match(text, /^notary_server_http_requests_total\{operation="Ping",method="get",code="200"\} 1$/m)
    assert.match(text, /^notary_server_http_requests_total\{operation="Ping",method="get",code="500"\} 0$/m)
  }
})

test('the clock is told, and whether anything can be signed with it', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  await keysFrom(app, 'example.org/clock')('timestamp', 'current')
  const clock = async (): Promise<unknown> =>
    (await scrape(app)).match(/^countersign_clock_\w+ .*$/gm)?.map((line) => line.replace('countersign_clock_', ''))
  assert.deepEqual(await clock(), ['usable 1', `seconds ${NOW / 1000}`])
  app.clock.now = NOW - 6 * 60_000
  assert.deepEqual(await clock(), ['usable 0', `seconds ${NOW / 1000 - 360}`])
})

test('the room on the disk is told; before the first, no message or renewal has failed, and damage is unknown', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  const text = await scrape(app)
  assert.match(text, /^countersign_disk_available_bytes [1-9]\d{6,}$/m)
  assert.match(text, /^countersign_webhook_total\{result="failed"\} 0$/m)
  assert.match(text, /^countersign_renewals_total\{result="failed"\} 0$/m)
  assert.match(text, /^countersign_damaged_tables nan$/im)
})

test('requests to the admin API are counted, those with refused credentials too', async (t) => {
  const server = await startTestServer({ settings: { admin: { listen: { port: 0 } } } })
  t.after(() => server.stop())
  const admin = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
  const password = Buffer.from('alice:wrong password').toString('base64')
  for (const authorization of [`Basic ${password}`, `Bearer cs_${'0'.repeat(16)}_${'A'.repeat(43)}`]) {
    assert.equal((await exchange(admin, { path: '/api/v1/users', headers: { authorization } })).status, 401)
  }
  assert.equal((await exchange(admin, { path: '/api/v1/no/such' })).status, 404)
  assert.deepEqual((await scrape(server)).match(/^countersign_admin_requests_total\{.*$/gm), [
    'countersign_admin_requests_total{operation="user.list",code="401"} 2',
    'countersign_admin_requests_total{operation="unknown",code="404"} 1',
  ])
})

test('each thread counts its fetches of the key set of a token service', async (t) => {
  const keys = makeServiceKeys()
  let fetches = 0
  const service = createServer((_, response) => {
    fetches += 1
    if (fetches === 1) response.writeHead(500).end()
    else response.end(JSON.stringify(keySetOf({ p256: keys.p256 })))
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.after(() => service.close())
  const claims = goodClaims('example.org/app', Date.now())
  const names = { realm: 'https://auth.example/token', issuer: claims.iss, service: claims.aud }
  const jwksUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`
  const access = { mode: 'external' as const, ...names, jwksUrl }
  const server = await startTestServer({ transport: 'plain', threads: 2, settings: { access } })
  t.after(() => server.stop())
  const headers = { authorization: `Bearer ${goodToken(keys, 'p256', claims)}`, connection: 'close' }
  // A thread does not fetch again within half a minute.
  while (fetches < 2) await exchange(server, { path: tufPath('example.org/app', 'root.json'), headers })
  assert.deepEqual((await scrape(server)).match(/^countersign_key_set_fetches_total\{.*$/gm), [
    'countersign_key_set_fetches_total{result="fetched"} 1',
    'countersign_key_set_fetches_total{result="failed"} 1',
  ])
})

test('a repository whose root has expired hides neither what ends next nor a renewal that fails', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  const publish = async (gun: string, life: number): Promise<void> => {
    const world = await TrustWorld.create({ gun, now: NOW, serverKeys: keysFrom(app, gun), snapshot: 'server' })
    world.root.expires = timeText(NOW + life)
    await world.publishFirst(app)
  }
  await publish('example.org/over', 9 * DAY)
  await publish('example.org/next', 30 * DAY)
  app.clock.now = NOW + 10 * DAY
  const timestamps = (text: string): unknown => text.match(/^countersign_\w*timestamp(s_due|_expiry) .*$/gm)
  assert.deepEqual(timestamps(await scrape(app)), [
    'countersign_timestamps_due 1',
    `countersign_min_seconds_to_timestamp_expiry ${(4 * DAY) / 1000}`,
  ])
  await renewDue(app.trust)
  assert.deepEqual(
    app.lines.filter(({ text }) => text === 'renewal failed').map(({ level, gun }) => [level, gun]),
    [['warn', 'example.org/over']],
  )
  assert.deepEqual(timestamps(await scrape(app)), [
    'countersign_timestamps_due 0',
    `countersign_min_seconds_to_timestamp_expiry ${(14 * DAY) / 1000}`,
  ])
  const metrics = createMetrics(app.trust, import.meta.dirname)
  metrics.endings(await allEndings(app.trust, NOW + 60 * DAY))
  const text = await metrics.registry.metrics()
  assert.deepEqual(text.match(/^countersign_end\w+\{what="root"\} .*$/gm), [
    'countersign_ending_within_60_days{what="root"} 2',
    'countersign_ended{what="root"} 1',
    `countersign_ending_soonest_seconds{what="root"} ${(20 * DAY) / 1000}`,
  ])
})

test('what was renewed or deleted since the last look is counted no more', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  const metrics = createMetrics(app.trust, import.meta.dirname)
  const told = async (): Promise<unknown> => (await metrics.registry.metrics()).match(/^countersign_end\w+\{.*$/gm)
  const ending = (what: string, expires: number) => ({ gun: parseGun('example.org/app'), what, expires })
  metrics.endings([ending('root', NOW - DAY), ending('targets', NOW + DAY), ending('targets/ci', NOW + DAY)])
  assert.deepEqual(await told(), [
    'countersign_ending_within_60_days{what="root"} 1',
    'countersign_ending_within_60_days{what="targets"} 1',
    'countersign_ending_within_60_days{what="delegation"} 1',
    'countersign_ended{what="root"} 1',
    'countersign_ended{what="targets"} 0',
    'countersign_ended{what="delegation"} 0',
    `countersign_ending_soonest_seconds{what="targets"} ${DAY / 1000}`,
    `countersign_ending_soonest_seconds{what="delegation"} ${DAY / 1000}`,
  ])
  metrics.endings([ending('targets', NOW + 2 * DAY)])
  assert.deepEqual(await told(), [
    'countersign_ending_within_60_days{what="targets"} 1',
    'countersign_ended{what="targets"} 0',
    `countersign_ending_soonest_seconds{what="targets"} ${(2 * DAY) / 1000}`,
  ])
})
