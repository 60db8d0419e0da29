import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')

const scrape = async (app: LocalApp): Promise<string> =>
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

test('the room on the disk is told; before the first message, the webhook has failed 0 times', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  const text = await scrape(app)
  assert.match(text, /^countersign_disk_available_bytes [1-9]\d{6,}$/m)
  assert.match(text, /^countersign_webhook_total\{result="failed"\} 0$/m)
})
