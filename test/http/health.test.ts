import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { keptLog, startLocalApp, type Line } from '../support/local-app.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const MINUTE = 60_000

test('readiness fails while the clock is before the last commit', async (t) => {
  const app = await startLocalApp({ now: NOW + 10 * MINUTE })
  t.after(() => app.close())
  await keysFrom(app, 'example.org/clock')('timestamp', 'current')
  app.clock.now = NOW
  const { status, body } = await exchange(app, { path: '/healthz/ready' })
  const clock = 'the clock says 2026-11-24T08:00:00.000Z, the last commit was at 2026-11-24T08:10:00.000Z'
  assert.deepEqual([status, JSON.parse(body.toString())], [503, { clock }])
  app.clock.now = NOW + 5 * MINUTE
  assert.equal((await exchange(app, { path: '/healthz/ready' })).status, 200)
})

test('a start with the clock before the last commit is logged as a warning', async (t) => {
  const lines: Line[] = []
  const server = await startTestServer({ transport: 'plain', now: NOW + 10 * MINUTE, log: keptLog(lines) })
  t.after(() => server.stop())
  await keysFrom(server, 'example.org/clock')('timestamp', 'current')
  server.clock.now = NOW
  await server.restart()
  const said = lines.filter(({ level }) => level === 'warn')
  assert.deepEqual(
    said.map(({ text }) => text),
    ['nothing is signed with a clock that went back'],
  )
})
