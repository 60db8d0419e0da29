import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { documentKey, versionKey } from '../../src/store/keyspace.ts'
import type { Head } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { fetchFrom, ReferenceClient } from '../support/reference-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { lose, spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, type Part } from '../support/upload.ts'

/** More targets than are stored whole: the next version is stored as a difference. */
const MANY = 40

describe('the same upload restores a document of its owner that the disk has damaged', () => {
  let server: TestServer
  const lines: Line[] = []

  before(async () => {
    server = await startTestServer({ transport: 'plain', log: keptLog(lines) })
  })
  after(() => server.stop())

  const headOf = (gun: string): Head => server.running.store.head(parseGun(gun))!
  const place = (): { directory: string } => ({ directory: join(server.directory, 'data') })
  const told = (): Line[] => lines.filter(({ text }) => text === 'what was damaged was uploaded again')
  const statusOf = async (gun: string, file: string): Promise<number> =>
    (await exchange(server, { path: tufPath(gun, `${file}.json`) })).status

  for (const snapshot of ['server', 'client'] as const) {
    for (const role of ['root', 'targets', 'targets/releases', ...(snapshot === 'client' ? ['snapshot'] : [])]) {
      for (const [how, harm] of Object.entries({ damaged: spoil, lost: lose })) {
        test(`${role} that is ${how}, where the ${snapshot} signs the snapshot`, async () => {
          const gun = parseGun(`example.org/${snapshot}/${role.replace('/', '-')}-${how}`)
          const world = await TrustWorld.create({
            gun,
            now: server.clock.now,
            serverKeys: keysFrom(server, gun),
            snapshot,
          })
          world.delegate('targets/releases', [makeKey('ecdsa')])
          for (let number = 0; number < MANY; number += 1) world.addTarget(`v${number}`)
          await world.send(server, world.parts('root', 'targets'))
          const client = new ReferenceClient(gun, fetchFrom(server, gun), () => server.clock.now)
          await client.update()
          world.addTarget('last')
          await world.send(server, world.nextParts('targets', 'targets/releases'))
          const again: Part[] = ['root', 'targets', 'targets/releases', 'snapshot'].flatMap((each) => {
            const bytes = world.files.get(each)
            return bytes === undefined ? [] : [{ role: each, bytes }]
          })
          const before = headOf(gun)
          const { sha256, version } = before.roles[role]!
          await harm(place(), documentKey(gun, role, sha256))
          lines.length = 0
          for (const file of [role, `${role}.${sha256}`, `${version}.${role}`]) {
            assert.equal(await statusOf(gun, file), 503, file)
          }
          await world.send(server, again)
          assert.equal(await statusOf(gun, role), 200)
          assert.deepEqual(
            told().map(({ gun: of, role: whose }) => ({ gun: of, role: whose })),
            [{ gun, role }],
          )
          const now = headOf(gun)
          assert.deepEqual(
            { ...now.roles, timestamp: undefined },
            { ...before.roles, timestamp: undefined },
            'only the timestamp is new',
          )
          const [entry] = server.running.store.journal({ gun, before: Infinity })
          assert.equal(entry?.kind, 'publish')
          assert.deepEqual(
            entry.documents.map((document) => [document.role, document.version]),
            [
              [role, version],
              ['timestamp', now.roles['timestamp']!.version],
            ],
          )
          assert.deepEqual(entry.changes, [], 'no tag has moved')
          for (const reader of [client, new ReferenceClient(gun, fetchFrom(server, gun), () => server.clock.now)]) {
            assert.equal((await reader.update()).versions['targets'], 2)
          }
          assert.deepEqual(await server.check(), [])
          // A second time there is nothing to restore.
          await world.send(server, again)
          assert.equal(headOf(gun).revision, now.revision)
        })
      }
    }
  }

  test('a restarted server with empty caches restores root, too', async () => {
    const gun = parseGun('example.org/restarted')
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun) })
    const parts = world.parts('root', 'targets')
    await world.send(server, parts)
    await spoil(place(), documentKey(gun, 'root', headOf(gun).roles['root']!.sha256))
    await server.restart()
    await world.send(server, parts)
    assert.equal(await statusOf(gun, 'root'), 200)
    const [entry] = server.running.store.journal({ gun, before: Infinity })
    assert.deepEqual([entry?.changes, entry?.roles ?? []], [[], []], 'nobody has got a key or a tag')
  })

  test('the restored document is found by version, too', async () => {
    const gun = parseGun('example.org/by-version')
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun) })
    const parts = world.parts('root', 'targets')
    await world.send(server, parts)
    await spoil(place(), versionKey(gun, 'root', 1))
    assert.equal(await statusOf(gun, '1.root'), 503)
    await world.send(server, parts)
    assert.equal(await statusOf(gun, '1.root'), 200)
  })
})
