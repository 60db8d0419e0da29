import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { readByNode } from '../support/read-by-node.ts'
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

test('init, add, publish, list, lookup, verify and remove work', { skip }, async () => {
  const gun = 'example.org/notary/publish'
  const publisher = await stage.client()
  await publisher.run('init', gun)
  assert.match((await publisher.run('add', gun, 'v1', await stage.file('one'))).text, /staged for next publish/)
  await publisher.run('publish', gun)
  await publisher.run('add', '-p', gun, 'v2', await stage.file('two'))

  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
  assert.match((await reader.run('lookup', gun, 'v1')).stdout, /^v1 sha256:[0-9a-f]{64} 3/)
  assert.match((await reader.try('lookup', gun, 'v9')).text, /No valid trust data|No trust data/i)
  const { stdout } = await reader.run('verify', '-i', await stage.file('one'), '-q', gun, 'v1')
  assert.equal(stdout, '')
  assert.notEqual((await reader.try('verify', '-i', await stage.file('two'), gun, 'v1')).code, 0)

  await publisher.run('remove', '-p', gun, 'v1')
  assert.deepEqual(await reader.list(gun), ['v2 targets'])
})

test('repeated requests of readers, the ping among them, are not parsed again', { skip }, async () => {
  const gun = 'example.org/notary/read-often'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  const list = async (): Promise<void> => {
    assert.deepEqual(await (await stage.client()).list(gun), [])
  }
  // The first reader's request keeps each answer, the second makes the request known.
  await list()
  await list()
  assert.equal(await readByNode(list), 0)
})

test('init and publish in one step, addhash and custom data work', { skip }, async () => {
  const gun = 'example.org/notary/one-step'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  const sha256 = 'a'.repeat(64)
  await publisher.run('addhash', '-p', gun, 'by-sha256', '17', '--sha256', sha256)
  await publisher.run('addhash', '-p', gun, 'by-sha512', '17', '--sha512', 'b'.repeat(128))
  const custom = await stage.file('{"a":1,"b":["x",null],"c":{"d":"é"}}')
  await publisher.run('add', '-p', gun, 'custom', await stage.file('content'), '--custom', custom)
  const reader = await stage.client()
  const { stdout } = await reader.run('list', gun)
  assert.match(stdout, new RegExp(`by-sha256\\s+${sha256}\\s+17`))
  assert.match(stdout, /custom/)
})

test('custom data that no reader could verify is refused, and the repository stays readable', { skip }, async () => {
  const odd = ['{"b":1,"a":2}', '{"a":"<&>"}', '{"a":1.5}', '{"a":9007199254740993}']
  for (const [index, text] of odd.entries()) {
    const gun = `example.org/notary/odd-custom-${index}`
    const publisher = await stage.client()
    await publisher.run('init', '-p', gun)
    const custom = await stage.file(text)
    const refused = await publisher.try('add', '-p', gun, 'odd', await stage.file('x'), '--custom', custom)
    assert.notEqual(refused.code, 0, text)
    assert.match(refused.text, /custom data must have sorted members|not a plain integer|an integer beyond/, text)
    assert.deepEqual(await (await stage.client()).list(gun), [], text)
  }
})

test('an unknown repository is reported as such', { skip }, async () => {
  const { code, text } = await (await stage.client()).try('list', 'example.org/notary/nothing')
  assert.notEqual(code, 0)
  assert.match(text, /does not have trust data for example.org\/notary\/nothing/)
})

test('names with every character that Go clients can sign work', { skip }, async () => {
  const gun = 'example.org/notary/names'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  const names = ['v2/<&>\u2028é', '../up', '/leading', 'x'.repeat(300), 'ünïcödé 😀', '"quoted" \\ back']
  for (const name of names) await publisher.run('add', gun, name, await stage.file(name))
  await publisher.run('publish', gun)
  const reader = await stage.client()
  for (const name of names) await reader.run('lookup', gun, name)
})

test('of two concurrent publishers one wins, and the other gets a clear message', { skip }, async () => {
  const gun = 'example.org/notary/race'
  const publisher = await stage.client()
  await publisher.run('init', '-p', gun)
  const names = ['r1', 'r2', 'r3', 'r4']
  // One person on several machines: same keys, same starting point.
  const outcomes = await Promise.all(
    names.map(async (name) => {
      const machine = await stage.client()
      await cp(publisher.directory, machine.directory, { recursive: true })
      return machine.try('add', '-p', gun, name, await stage.file(name))
    }),
  )
  assert.ok(outcomes.some(({ code }) => code === 0))
  for (const { code, text } of outcomes) {
    if (code !== 0) assert.match(text, /is not newer than version|version|Snapshot|snapshot/i)
  }
  const listed = await (await stage.client()).list(gun)
  assert.equal(listed.length, outcomes.filter(({ code }) => code === 0).length)
})

test(
  'of a repository deleted and made again, a client sees no tags until it deletes its old cache',
  { skip },
  async () => {
    const gun = 'example.org/notary/delete'
    const publisher = await stage.client()
    await publisher.run('init', '-p', gun)
    await publisher.run('add', '-p', gun, 'v1', await stage.file('one'))
    const reader = await stage.client()
    assert.deepEqual(await reader.list(gun), ['v1 targets'])
    await publisher.run('delete', gun, '--remote')
    assert.match((await (await stage.client()).try('list', gun)).text, /does not have trust data/)

    const heir = await stage.client()
    await heir.run('init', '-p', gun)
    await heir.run('add', '-p', gun, 'w1', await stage.file('new'))
    assert.deepEqual(await (await stage.client()).list(gun), ['w1 targets'])
    const old = await reader.try('list', gun)
    assert.doesNotMatch(old.stdout, /w1/, 'a client that knows the old root must not accept the new one')
    // The runbook for a lost root says: delete the cached repository, and it is a new one.
    await reader.run('delete', gun)
    assert.deepEqual(await reader.list(gun), ['w1 targets'])
  },
)
