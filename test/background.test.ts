import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { namedIn, placesIn } from '../src/store/leveldb/table-file.ts'
import { exchange } from './support/exchange.ts'
import { keptLog, type Line } from './support/local-app.ts'
import { timeText } from './support/metadata-file.ts'
import { startTestServer, type TestServer } from './support/server.ts'
import { keysFrom, TrustWorld } from './support/trust-world.ts'
import { until } from './support/until.ts'

const GUN = 'example.org/background'
const NOW = Date.UTC(2026, 10, 24)
const DAY = 86_400_000

const counts = async (server: TestServer, line: string): Promise<boolean> =>
  (await exchange(server, { path: '/metrics' })).body.toString().split('\n').includes(line)

test('a server renews what is due, stages roots for old keys, warns of what expires, and counts all of it', async (t) => {
  const told: string[] = []
  const hook = createServer((request, response) => {
    void text(request).then((body) => told.push(body) && response.end())
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  t.after(() => hook.close())
  const server = await startTestServer({ transport: 'plain', now: NOW, settings: { renewIntervalSeconds: 1 } })
  t.after(() => server.stop())
  const serverKeys = keysFrom(server, GUN)
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys, snapshot: 'server' })
  await world.publishFirst(server)

  server.clock.now = NOW + 8 * DAY
  await until('its timestamp to be renewed', () => counts(server, 'countersign_renewals_total{result="renewed"} 1'))

  const secretFile = join(server.directory, 'secret')
  await writeFile(secretFile, 'a-secret-of-the-webhook', { mode: 0o600 })
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`
  // Its targets expire after three years.
  server.clock.now = NOW + (3 * 365 - 20) * DAY
  await server.restart({ rotation: { keyAgeDays: 1 }, webhook: { url, secretFile } })
  await until('what ends to be counted', () => counts(server, 'countersign_ending_within_60_days{what="targets"} 1'))
  const left = async (): Promise<string | undefined> =>
    /^countersign_ending_soonest_seconds\{what="targets"\} (.*)$/m.exec(
      (await exchange(server, { path: '/metrics' })).body.toString(),
    )?.[1]
  assert.equal(await left(), `${20 * 86_400}`)
  server.clock.now += 21 * DAY
  assert.equal(await left(), `${-86_400}`, 'the time goes on until the next look')
  await until('the webhook to be told', () => counts(server, 'countersign_webhook_total{result="delivered"} 1'))
  assert.match(told.join(), /"what":"targets"/)
  assert.notEqual(server.running.store.record('staged-root', GUN), undefined)
})

test('a renewal that fails is counted as failed', async (t) => {
  const server = await startTestServer({ transport: 'plain', now: NOW, settings: { renewIntervalSeconds: 1 } })
  t.after(() => server.stop())
  const serverKeys = keysFrom(server, GUN)
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys })
  world.root.expires = timeText(NOW + 7 * DAY)
  await world.publishFirst(server)
  server.clock.now = NOW + 8 * DAY
  await until('a renewal to fail', () => counts(server, 'countersign_renewals_total{result="failed"} 1'))
  assert.ok(await counts(server, 'countersign_renewals_total{result="renewed"} 0'))
})

test('a damaged table is reported at the next start, even if nothing reads it', async (t) => {
  const lines: Line[] = []
  const server = await startTestServer({ transport: 'plain', log: keptLog(lines) })
  t.after(() => server.stop())
  const serverKeys = keysFrom(server, GUN)
  const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys })
  await world.publishFirst(server)
  // A restart moves the log into a table.
  await server.restart()
  await until('the first look', () => counts(server, 'countersign_damaged_tables 0'))
  const data = join(server.directory, 'data')
  const [name = ''] = (await readdir(data)).filter((each) => each.endsWith('.ldb'))
  const table = await readFile(join(data, name))
  // Changes a block's checksum, which LevelDB does not verify on its own.
  const [block] = placesIn(table, namedIn(table).index)
  table[block!.at + block!.bytes + 1]! ^= 1
  await writeFile(join(data, name), table, { flag: 'r+' })
  await server.restart()
  await until('the next look', () => counts(server, 'countersign_damaged_tables 1'))
  const [told, ...more] = lines.filter(({ level }) => level === 'error')
  assert.match(
    String(told?.['reason']),
    new RegExp(`^the table ${name} is damaged: 1 of \\d+ blocks is not as written$`),
  )
  assert.deepEqual([told?.text, more], ['the database is damaged', []])
})
