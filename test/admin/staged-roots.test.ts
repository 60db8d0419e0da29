import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsed } from '../../src/admin/operation.ts'
import { listStagedRoots, stageNextRoot } from '../../src/admin/roots.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey } from '../../src/signing/root-key.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

test('a root published while the list is made is left out', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const { trust } = world
  // The iterator was opened before the commit.
  const names = async function* (): AsyncGenerator<{ kind: 'staged-root'; name: string; value: object }> {
    yield { kind: 'staged-root', name: 'example.org/published', value: {} }
  }
  const meanwhile = { ...world, trust: { ...trust, store: { ...trust.store, records: names } } }
  assert.deepEqual(await listStagedRoots.run(meanwhile, { pattern: '*' }, { name: 'local' }), [])
})

test('an owner who asked for the next key before a root was staged can still publish a root with it', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const gun = 'example.org/asked-before'
  const owner = await TrustWorld.create({
    gun,
    now: server.clock.now,
    serverKeys: keysFrom(server, gun),
    snapshot: 'server',
  })
  await owner.publishFirst(server)
  const asked = await keysFrom(server, gun)('timestamp', 'next')
  const world = worldOf(server.running)
  const input = { gun, change: { what: 'keys' as const, roles: ['timestamp' as const] } }
  await stageNextRoot.run(world, parsed(stageNextRoot, input), { name: 'local' })
  assert.notDeepEqual(await keysFrom(server, gun)('timestamp', 'next'), asked, 'the next key is now another one')
  // Discarding that root would not help to create the repository, so the message does not advise it.
  const { public: certificate } = await issueRootCertificate(makeRootKey(), gun, server.clock.now)
  const anew = { gun, change: { what: 'create' as const, certificates: [certificate] } }
  await assert.rejects(stageNextRoot.run(world, parsed(stageNextRoot, anew), { name: 'local' }), {
    message: `the repository ${gun} already exists`,
  })
  owner.nameServerKey('timestamp', asked)
  await owner.publish(server, 'root')
  assert.deepEqual(await keysFrom(server, gun)('timestamp', 'current'), asked)
  assert.deepEqual(await server.check(), [])
})
