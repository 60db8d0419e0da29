import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
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

const ROTATIONS: readonly (readonly [name: string, ...args: string[]])[] = [
  ['snapshot to the server', 'snapshot', '-r'],
  ['snapshot, server to server', 'snapshot', '-r'],
  ['timestamp', 'timestamp', '-r'],
  ['targets', 'targets'],
  ['snapshot back to the client', 'snapshot'],
  ['snapshot, client to client', 'snapshot'],
  ['timestamp again', 'timestamp', '-r'],
]

test(
  'each role is rotated in both directions, and a client that knows the previous state follows',
  { skip },
  async () => {
    const gun = 'example.org/rotation/all'
    const publisher = await stage.client()
    await publisher.run('init', '-p', gun)
    await publisher.run('add', '-p', gun, 'v0', await stage.file('v0'))
    const reader = await stage.client()
    const sleeper = await stage.client()
    assert.deepEqual(await reader.list(gun), await sleeper.list(gun))
    const expected = ['v0 targets']
    for (const [index, [name, ...args]] of ROTATIONS.entries()) {
      await publisher.run('key', 'rotate', gun, ...args)
      assert.deepEqual(await reader.list(gun), expected, `after rotating ${name}`)
      const tag = `v${index + 1}`
      await publisher.run('add', '-p', gun, tag, await stage.file(tag))
      expected.push(`${tag} targets`)
      assert.deepEqual(await reader.list(gun), expected, `after publishing, ${name} rotated`)
    }
    // The sleeper has seen none of this, and follows every root in between.
    assert.deepEqual(await sleeper.list(gun), expected)
    assert.deepEqual(await (await stage.client()).list(gun), expected)
    assert.deepEqual(await stage.server.check(), [])
  },
)

test('a client several roots behind follows', { skip }, async () => {
  const gun = 'example.org/rotation/root'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  const reader = await stage.client()
  await reader.list(gun)
  for (let round = 1; round <= 3; round += 1) {
    // Without the answer it says "Aborting action", and exits with 0.
    const { text } = await publisher.answer('yes\n', 'key', 'rotate', gun, 'root')
    assert.match(text, /Successfully rotated root key/)
    await publisher.run('add', '-p', gun, `v${round}`, await stage.file(`v${round}`))
  }
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets', 'v3 targets'])
})

test('a client cannot take over the timestamp role', { skip }, async () => {
  const gun = 'example.org/rotation/timestamp'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  assert.notEqual((await publisher.try('key', 'rotate', gun, 'timestamp')).code, 0)
  assert.deepEqual(await (await stage.client()).list(gun), [])
})

test('a restart between rotation and publish loses nothing', { skip }, async () => {
  const gun = 'example.org/rotation/restart'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  await publisher.run('key', 'rotate', gun, 'snapshot', '-r')
  const reader = await stage.client()
  await reader.list(gun)
  for (const tag of ['v1', 'v2']) {
    await stage.server.restart()
    await publisher.run('add', '-p', gun, tag, await stage.file(tag))
  }
  await stage.server.restart()
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
})
