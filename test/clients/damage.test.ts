import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { documentKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { spoil } from '../support/test-store.ts'
import { upload } from '../support/upload.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('notary')
let stage: Stage

before(async () => {
  if (skip === false) stage = await Stage.open()
})
after(async () => {
  if (skip === false) await stage.close()
})

for (const role of ['timestamp', 'snapshot']) {
  for (const who of ['is new here', 'has the version before it'] as const) {
    test(`a damaged ${role} of the server is not noticed by a client that ${who}`, { skip }, async () => {
      const gun = parseGun(`example.org/damage/${role}-${who.length}`)
      const publisher = await stage.client()
      await publisher.run('init', '-p', gun)
      await publisher.run('key', 'rotate', gun, 'snapshot', '-r')
      const reader = await stage.client()
      if (who !== 'is new here') assert.deepEqual(await reader.list(gun), [])
      await publisher.run('add', '-p', gun, 'v1', await stage.file('one'))
      const { sha256 } = stage.server.running.store.head(gun)!.roles[role]!
      await spoil({ directory: join(stage.server.directory, 'data') }, documentKey(gun, role, sha256))
      // Empties the cache of answers.
      await stage.server.restart()
      assert.deepEqual(await reader.list(gun), ['v1 targets'])
      assert.deepEqual(await stage.server.check(), [])
      // Nor does the publisher notice, who knows the damaged version.
      await publisher.run('add', '-p', gun, 'v2', await stage.file('two'))
      assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
    })
  }
}

test('a publisher with damaged targets in its cache publishes over them', { skip }, async () => {
  const gun = parseGun('example.org/damage/targets')
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  await publisher.run('add', '-p', gun, 'v1', await stage.file('one'))
  // notary caches only what it reads.
  await publisher.list(gun)
  const { sha256 } = stage.server.running.store.head(gun)!.roles['targets']!
  await spoil({ directory: join(stage.server.directory, 'data') }, documentKey(gun, 'targets', sha256))
  await stage.server.restart()
  const reader = await stage.client()
  assert.notEqual((await reader.try('list', gun)).code, 0)
  await publisher.run('add', '-p', gun, 'v2', await stage.file('two'))
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
})

test("damaged targets are restored by uploading a client's cached copy", { skip }, async () => {
  const gun = parseGun('example.org/damage/put-back')
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  await publisher.run('add', '-p', gun, 'v1', await stage.file('one'))
  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  const { sha256 } = stage.server.running.store.head(gun)!.roles['targets']!
  await spoil({ directory: join(stage.server.directory, 'data') }, documentKey(gun, 'targets', sha256))
  await stage.server.restart()
  assert.notEqual((await (await stage.client()).try('list', gun)).code, 0)
  const bytes = await readFile(join(reader.directory, 'tuf', gun, 'metadata', 'targets.json'))
  assert.equal((await upload(stage.server, gun, [{ role: 'targets', bytes }])).status, 200)
  for (const client of [reader, await stage.client()]) assert.deepEqual(await client.list(gun), ['v1 targets'])
  assert.deepEqual(await stage.server.check(), [])
})
