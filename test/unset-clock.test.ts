import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { serve } from '../src/main.ts'
import { acceptClock } from '../src/repository/accept-clock.ts'
import { loadSettings } from '../src/settings/load.ts'
import { exchange } from './support/exchange.ts'
import { TEST_ACTOR } from './support/local-trust.ts'
import { startTestServer } from './support/server.ts'
import { tufPath } from './support/upload.ts'

/** A clock that was never set, as on a device without a battery. */
const UNSET = 10_000
const REFUSED = { code: 'CLOCK', message: 'the clock says 1970-01-01T00:00:10.000Z, before Countersign was made' }

test('a first start with a clock that was never set is refused, and makes nothing', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-clock-'))
  t.after(() => rm(directory, { recursive: true }))
  const settings = loadSettings({
    environment: {
      COUNTERSIGN_DATA_DIRECTORY: join(directory, 'data'),
      COUNTERSIGN_KEYS_DIRECTORY: join(directory, 'keys'),
      COUNTERSIGN_LISTEN_PORT: '0',
      COUNTERSIGN_LOG_LEVEL: 'silent',
    },
  })
  await assert.rejects(serve(settings, { now: () => UNSET }), REFUSED)
  assert.deepEqual(await readdir(directory), [])
  const running = await serve(settings, { now: Date.now })
  assert.equal(running.made.length, 3)
  await running.close()
})

test('nothing is signed with such a clock, nor is it accepted', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  server.clock.now = UNSET
  await server.restart()
  assert.equal((await exchange(server, { path: tufPath('example.org/app', 'timestamp.key') })).status, 503)
  const ready = await exchange(server, { path: '/healthz/ready' })
  assert.deepEqual([ready.status, JSON.parse(ready.body.toString())], [503, { clock: REFUSED.message }])
  assert.match((await exchange(server, { path: '/metrics' })).body.toString(), /^countersign_clock_usable 0$/m)
  await assert.rejects(acceptClock(server.running.trust, TEST_ACTOR), REFUSED)
})
