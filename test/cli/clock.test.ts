import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { exchange } from '../support/exchange.ts'
import { startTestServer } from '../support/server.ts'
import { countersign } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

const GUN = 'example.org/clock'
const NOW = Date.UTC(2026, 10, 29, 8)
const DAY = 86_400_000

test('clock says that the clock was ahead, and with --accept the server signs again', async (t) => {
  const server = await startTestServer({ transport: 'plain', now: NOW })
  t.after(() => server.stop())
  const environment = {
    ...process.env,
    COUNTERSIGN_DATA_DIRECTORY: join(server.directory, 'data'),
    COUNTERSIGN_KEYS_DIRECTORY: join(server.directory, 'keys'),
  }
  const prints = async (words: string, expected: string | RegExp, code: number, error = ''): Promise<void> => {
    const printed = await countersign(words.split(' '), environment)
    assert.deepEqual([printed.stderr, printed.code], [error, code], words)
    if (typeof expected === 'string') assert.equal(printed.stdout, expected, words)
    else assert.match(printed.stdout, expected, words)
  }
  await prints('clock', 'now 2026-11-29T08:00:00.000Z, last commit none\n', 0)
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(server, GUN) })
  server.clock.now = NOW + 100 * DAY
  await world.publishFirst(server)
  await countersign('token create job --allow read:*'.split(' '), environment)
  await countersign('token create for-ever --no-end --allow read:*'.split(' '), environment)
  server.clock.now = NOW
  const times = 'now 2026-11-29T08:00:00.000Z, last commit 2027-03-09T08:00:00.000Z'
  const todo = 'set the clock; if it was ahead then, and is right now: countersign clock --accept\n'
  await prints('clock', `${times}: nothing is signed\n${todo}`, 1)
  assert.equal((await exchange(server, { path: '/healthz/ready' })).status, 503)

  // A dry run is refused, too.
  for (const words of ['signer create ci', 'signer create ci --dry-run']) {
    const { stderr, code } = await countersign(words.split(' '), environment)
    assert.match(stderr, /^error: the clock says .*"countersign clock --accept"\n$/s, words)
    assert.equal(code, 2, words)
  }
  const token =
    'warning: the token job was created in the meantime and ends on 2027-06-07: countersign token revoke job, then create another one\n'
  await prints('clock --accept --dry-run', `would do: accepted: signed 1 repository anew\n${token}`, 0)
  const { trust } = server.running
  const away = t.mock.method(trust.signer, 'sign', () =>
    Promise.reject(new TrustError('SIGNER_UNAVAILABLE', 'the token is away')),
  )
  const error = `error: 1 repository could not be signed again
hint: the server's log says why (start the server, if it is stopped); then run the command again
`
  await prints('clock --accept', `accepted: nothing signed again\n${token}`, 2, error)
  away.mock.restore()
  await prints('clock --accept', `the clock is right already: signed 1 repository anew\n${token}`, 0)
  await prints('token revoke job', /^revoked token job /, 0)
  await prints('clock --accept', 'the clock is right already: nothing to sign again\n', 0)
  await prints(
    'clock --json',
    '{\n  "now": "2026-11-29T08:00:00.000Z",\n  "lastCommit": "2026-11-29T08:00:00.000Z",\n  "fault": null\n}\n',
    0,
  )
  assert.equal((await exchange(server, { path: '/healthz/ready' })).status, 200)
  world.addTarget('v1')
  await world.publish(server)
})
