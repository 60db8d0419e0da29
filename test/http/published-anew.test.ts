import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { documentKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { lose, spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

describe('a new version by its owner replaces a damaged document', () => {
  let server: TestServer

  before(async () => {
    server = await startTestServer({ transport: 'plain' })
  })
  after(() => server.stop())

  /** A publisher with targets and a delegation, both large enough to be stored as differences. */
  async function published(gun: string): Promise<TrustWorld> {
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun) })
    world.delegate('targets/a', [makeKey('ecdsa')])
    for (const role of ['targets', 'targets/a']) {
      for (let number = 0; number < 100; number += 1) world.addTarget(`t${number}`, role)
    }
    await world.publishFirst(server)
    await world.publish(server, 'targets', 'targets/a')
    return world
  }

  const stored = (gun: string, role: string): string => {
    const state = server.running.store.head(parseGun(gun))?.roles[role]
    assert.ok(state !== undefined)
    return state.sha256
  }
  const status = async (gun: string, file: string): Promise<number> =>
    (await exchange(server, { path: tufPath(gun, file) })).status

  for (const [how, harm] of Object.entries({ damaged: spoil, lost: lose })) {
    for (const role of ['targets', 'targets/a']) {
      test(`${role} that are ${how}`, async () => {
        const gun = `example.org/${how}/${role.replace('/', '-')}`
        const world = await published(gun)
        await harm({ directory: join(server.directory, 'data') }, documentKey(parseGun(gun), role, stored(gun, role)))
        await server.restart()
        assert.equal(await status(gun, `${role}.json`), 503)
        world.addTarget('new', role)
        await world.publish(server, role)
        assert.equal(await status(gun, `${role}.json`), 200)
        assert.deepEqual(await server.check(), [])
      })
    }
  }

  test('also if the base of its difference is cached, but damaged on disk', async (t) => {
    const gun = 'example.org/base'
    const world = await published(gun)
    const { sha256 } = server.running.store.document(parseGun(gun), 'targets', { version: 1 }) ?? {}
    await spoil({ directory: join(server.directory, 'data') }, documentKey(parseGun(gun), 'targets', sha256 ?? ''))
    const now = performance.now()
    t.mock.method(performance, 'now', () => now + 60_000)
    world.addTarget('new')
    await world.publish(server, 'targets')
    assert.equal(await status(gun, 'targets.json'), 200)
    assert.deepEqual(await server.check(), [])
  })
})
