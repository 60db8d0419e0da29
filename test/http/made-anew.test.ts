import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import type { Head } from '../../src/store/store.ts'
import { documentKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { timeText } from '../support/metadata-file.ts'
import { fetchFrom, ReferenceClient } from '../support/reference-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { lose, spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld, type WorldOptions } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const DAY = 86_400_000
const MADE_ANEW = 'what was damaged was made anew'

const harms = { damaged: spoil, lost: lose } as const

describe('documents of the server that the disk has damaged are made again', () => {
  let server: TestServer
  const lines: Line[] = []

  before(async () => {
    server = await startTestServer({ transport: 'plain', log: keptLog(lines) })
  })
  after(() => server.stop())

  async function published(
    gun: string,
    snapshot: WorldOptions['snapshot'] = 'server',
    change: (world: TrustWorld) => void = () => undefined,
  ): Promise<TrustWorld> {
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun), snapshot })
    change(world)
    await world.publishFirst(server)
    lines.length = 0
    return world
  }

  const get = (gun: string, file: string): Promise<Answer> => exchange(server, { path: tufPath(gun, file) })
  const headOf = (gun: string): Head => {
    const head = server.running.store.head(parseGun(gun))
    assert.ok(head !== undefined)
    return head
  }
  const versions = (gun: string): Record<string, number> =>
    Object.fromEntries(Object.entries(headOf(gun).roles).map(([role, { version }]) => [role, version]))
  const commits = (): number => server.running.store.tail().number
  const told = (): Line[] => lines.filter(({ text }) => text === MADE_ANEW)

  /** @returns the file name by which clients ask for it */
  async function harm(how: keyof typeof harms, gun: string, role: string): Promise<string> {
    const { sha256 } = headOf(gun).roles[role]!
    await harms[how]({ directory: join(server.directory, 'data') }, documentKey(parseGun(gun), role, sha256))
    return `${role}.${sha256}.json`
  }

  for (const how of ['damaged', 'lost'] as const) {
    test(`a timestamp that is ${how} is made again once for many requests, with one log line`, async () => {
      const gun = `example.org/timestamp-${how}`
      await published(gun)
      const before = commits()
      await harm(how, gun, 'timestamp')
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(gun, 'timestamp.json')))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.equal(new Set(answers.map(({ body }) => body.toString())).size, 1)
      assert.deepEqual(versions(gun), { root: 1, targets: 1, snapshot: 1, timestamp: 2 })
      assert.equal(commits(), before + 1)
      const [line, ...more] = told()
      assert.deepEqual([line?.level, line?.['gun'], more], ['error', gun, []])
      assert.match(
        String(line?.['err']),
        how === 'lost' ? /the store lacks the current timestamp of / : /the record .* is damaged/,
      )
      assert.deepEqual(await server.check(), [])
    })

    test(`a snapshot that is ${how} is made again, when asked for by name or after a new timestamp`, async () => {
      for (const asked of ['by name', 'by checksum', 'by version']) {
        const gun = `example.org/snapshot-${how}-${asked.replace(' ', '-')}`
        await published(gun)
        const byChecksum = await harm(how, gun, 'snapshot')
        const file = { 'by name': 'snapshot.json', 'by checksum': byChecksum, 'by version': '1.snapshot.json' }[asked]!
        assert.equal((await get(gun, file)).status, asked === 'by name' ? 200 : 503)
        assert.deepEqual(versions(gun), { root: 1, targets: 1, snapshot: 2, timestamp: 2 })
        assert.equal((await get(gun, 'timestamp.json')).status, 200)
        // The old bytes are gone for good.
        assert.equal((await get(gun, byChecksum)).status, how === 'lost' ? 404 : 503)
        assert.equal(told().length, 1)
        assert.deepEqual(await server.check(), [])
        const { versions: seen } = await new ReferenceClient(
          gun,
          fetchFrom(server, gun),
          () => server.clock.now,
        ).update()
        assert.deepEqual(seen, versions(gun))
      }
    })
  }

  test('a client with the old timestamp continues at once', async () => {
    const gun = 'example.org/known'
    const world = await published(gun)
    const client = new ReferenceClient(gun, fetchFrom(server, gun), () => server.clock.now)
    await client.update()
    world.addTarget('v2')
    await world.publish(server, 'targets')
    await harm('damaged', gun, 'snapshot')
    assert.deepEqual((await client.update()).versions, { root: 1, targets: 2, snapshot: 3, timestamp: 3 })
  })

  test('a large snapshot is not stored as a difference to a damaged one', async () => {
    const gun = 'example.org/large'
    const world = await published(gun, 'server', (made) => {
      for (let number = 0; number < 30; number += 1) made.delegate(`targets/d${number}`, [makeKey('ecdsa')])
    })
    const names = [...world.delegations.keys()]
    for (const name of names) world.addTarget('v1', name)
    await world.publish(server, 'targets', ...names)
    const first = headOf(gun).roles['snapshot']!
    assert.ok(first.length > 4096)
    world.addTarget('v2')
    // Now the first large one is cached as the base.
    await world.publish(server, 'targets')
    await harms.damaged(
      { directory: join(server.directory, 'data') },
      documentKey(parseGun(gun), 'snapshot', first.sha256),
    )
    assert.equal((await get(gun, 'snapshot.json')).status, 200)
    assert.equal((await get(gun, 'snapshot.json')).status, 200)
    assert.equal(told().length, 1)
    assert.deepEqual(await server.check(), [])
  })

  test('a publish replaces them, a large snapshot too', async () => {
    const gun = 'example.org/published'
    const world = await published(gun, 'server', (made) => {
      for (let number = 0; number < 30; number += 1) made.delegate(`targets/d${number}`, [makeKey('ecdsa')])
    })
    const names = [...world.delegations.keys()]
    for (const name of names) world.addTarget('v1', name)
    await world.publish(server, 'targets', ...names)
    for (const role of ['snapshot', 'timestamp']) await harm('damaged', gun, role)
    // Empties the caches.
    await server.restart()
    world.addTarget('v2')
    await world.publish(server, 'targets')
    assert.deepEqual(await server.check(), [])
  })

  test('renewal makes them again, too', async () => {
    const gun = 'example.org/renewed'
    await published(gun)
    await harm('damaged', gun, 'snapshot')
    await harm('damaged', gun, 'timestamp')
    server.clock.now += 8 * DAY
    const { failed } = await renewDue(server.running.trust)
    assert.equal(failed, 0)
    assert.deepEqual(versions(gun), { root: 1, targets: 1, snapshot: 2, timestamp: 2 })
    assert.equal(told().length, 2)
    assert.deepEqual(await server.check(), [])
  })

  test('documents of the owner are not made again, and nothing is written', async () => {
    for (const [role, file] of [
      ['snapshot', 'snapshot.json'],
      ['targets', 'targets.json'],
      ['root', 'root.json'],
    ] as const) {
      const gun = `example.org/of-owner-${role}`
      await published(gun, 'client')
      const before = commits()
      const byChecksum = await harm('damaged', gun, role)
      for (const each of [file, byChecksum, `1.${role}.json`]) assert.equal((await get(gun, each)).status, 503, each)
      assert.equal(commits(), before)
      const refused = lines.filter(({ text }) => text === 'request failed')
      assert.equal(refused.length, 3)
      for (const { err } of refused)
        assert.match(String(err), new RegExp(`the record "document ${gun} ${role}.*" is damaged`))
    }
  })

  test('a 503 remains where nothing can be signed, and the log has both reasons', async () => {
    const gun = 'example.org/expired-root'
    await published(gun, 'server', (world) => {
      world.root.expires = timeText(server.clock.now + DAY)
    })
    await harm('damaged', gun, 'timestamp')
    server.clock.now += 2 * DAY
    const before = commits()
    assert.equal((await get(gun, 'timestamp.json')).status, 503)
    assert.equal(commits(), before)
    assert.match(String(lines.at(-1)?.['err']), /is damaged, and no new one can be made: .*root has expired/)
  })

  test('a disk that damages each new one causes one every 10 minutes, not one per request', async () => {
    const gun = 'example.org/again'
    await published(gun)
    await harm('damaged', gun, 'timestamp')
    assert.equal((await get(gun, 'timestamp.json')).status, 200)
    await harm('damaged', gun, 'timestamp')
    // The answer is not kept yet: the first was made during a write.
    for (const _ of [1, 2]) assert.equal((await get(gun, 'timestamp.json')).status, 503)
    assert.equal(versions(gun)['timestamp'], 2)
    server.clock.now += 10 * 60_000
    assert.equal((await get(gun, 'timestamp.json')).status, 200)
    assert.equal(versions(gun)['timestamp'], 3)
    await harm('damaged', gun, 'timestamp')
    // The clock was ahead.
    server.clock.now -= 60_000
    assert.equal((await get(gun, 'timestamp.json')).status, 200)
  })
})
