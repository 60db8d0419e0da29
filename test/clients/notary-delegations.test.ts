import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { delegationKey, type KeyKind } from './support/delegation-key.ts'
import type { NotaryClient } from './support/notary.ts'
import { Stage } from './support/stage.ts'
import { skipWithout, succeeded, type Outcome } from './support/tools.ts'

const skip = skipWithout('notary', 'openssl')
let stage: Stage

before(async () => {
  if (skip === false) stage = await Stage.open()
})
after(async () => {
  if (skip === false) await stage.close()
})

/** Makes a repository whose snapshot the server signs, so that delegates can publish alone. */
async function repository(gun: string): Promise<NotaryClient> {
  const owner = await stage.client()
  await owner.run('init', '-p', gun)
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  return owner
}

/** Makes a person with a key of their own. @returns the client, the certificate's file and its key id */
async function delegate(
  kind: KeyKind,
  role: string,
): Promise<{ client: NotaryClient; certificate: string; keyId: string }> {
  const client = await stage.client()
  const { certificate, key } = await delegationKey(client.directory, kind)
  await client.run('key', 'import', key, '--role', role)
  const { stdout } = await client.run('key', 'list')
  const keyId = /\b[0-9a-f]{64}\b/.exec(stdout)?.[0] ?? ''
  return { client, certificate, keyId }
}

for (const kind of ['ecdsa', 'rsa'] as const) {
  test(`a delegate with an ${kind} key publishes, and the tag is listed with its role`, { skip }, async () => {
    const gun = `example.org/delegations/${kind}`
    const owner = await repository(gun)
    const { client, certificate } = await delegate(kind, 'targets/releases')
    await owner.run('delegation', 'add', '-p', gun, 'targets/releases', certificate, '--all-paths')
    await client.run('add', '-p', gun, 'v1', await stage.file('one'), '-r', 'targets/releases')
    assert.deepEqual(await (await stage.client()).list(gun), ['v1 targets/releases'])
    await client.run('remove', '-p', gun, 'v1', '-r', 'targets/releases')
    assert.deepEqual(await (await stage.client()).list(gun), [])
  })
}

test('paths limit a delegation; nested delegations and second keys work', { skip }, async () => {
  const gun = 'example.org/delegations/nested'
  const owner = await repository(gun)
  const qa = await delegate('ecdsa', 'targets/qa')
  await owner.run('delegation', 'add', '-p', gun, 'targets/qa', qa.certificate, '--paths', 'qa/,shared')
  await qa.client.run('add', '-p', gun, 'qa/v1', await stage.file('one'), '-r', 'targets/qa')
  assert.notEqual((await qa.client.try('add', '-p', gun, 'other', await stage.file('x'), '-r', 'targets/qa')).code, 0)
  await qa.client.run('reset', gun, '--all')

  const nested = await delegate('ecdsa', 'targets/qa/alice')
  await qa.client.run('delegation', 'add', '-p', gun, 'targets/qa/alice', nested.certificate, '--paths', 'qa/')
  await nested.client.run('add', '-p', gun, 'qa/v2', await stage.file('two'), '-r', 'targets/qa/alice')

  const second = await delegate('rsa', 'targets/qa')
  await owner.run('delegation', 'add', '-p', gun, 'targets/qa', second.certificate)
  await second.client.run('add', '-p', gun, 'qa/v3', await stage.file('three'), '-r', 'targets/qa')
  const reader = await stage.client()
  const expected = ['qa/v1 targets/qa', 'qa/v2 targets/qa/alice', 'qa/v3 targets/qa']
  assert.deepEqual(await reader.list(gun), expected)

  await owner.run('delegation', 'remove', '-p', '-y', gun, 'targets/qa', '--paths', 'shared')
  assert.deepEqual(await reader.list(gun), expected)
})

test(
  'readers skip a role signed by a removed key until a witness, and skip purged and removed roles',
  { skip },
  async () => {
    const gun = 'example.org/delegations/purge'
    const owner = await repository(gun)
    const first = await delegate('ecdsa', 'targets/releases')
    const other = await delegate('ecdsa', 'targets/releases')
    await owner.run('delegation', 'add', '-p', gun, 'targets/releases', first.certificate, '--all-paths')
    await owner.run('delegation', 'add', '-p', gun, 'targets/releases', other.certificate)
    await first.client.run('add', '-p', gun, 'v1', await stage.file('one'), '-r', 'targets/releases')
    const reader = await stage.client()
    assert.deepEqual(await reader.list(gun), ['v1 targets/releases'])

    await owner.run('delegation', 'remove', '-p', '-y', gun, 'targets/releases', first.keyId)
    assert.deepEqual(await reader.list(gun), [], 'signed by a removed key')
    const anew = await other.client.try('add', '-p', gun, 'v2', await stage.file('two'), '-r', 'targets/releases')
    const told = /goes on from that with notary (reset \S+ --all), then notary (witness -p \S+ targets\/releases)/
    const commands = told.exec(anew.text)?.slice(1) ?? []
    assert.equal(commands.length, 2, anew.text)
    for (const command of commands) await other.client.run(...command.split(' '))
    assert.deepEqual(await reader.list(gun), ['v1 targets/releases'])

    await owner.run('delegation', 'purge', '-p', gun, '--key', other.keyId)
    assert.deepEqual(await (await stage.client()).list(gun), [])
    await owner.run('delegation', 'remove', '-p', '-y', gun, 'targets/releases')
    assert.deepEqual(await (await stage.client()).list(gun), [])
  },
)

test(
  "a delegation removed and added again under the owner's snapshot is refused with advice to use another name, which works",
  { skip },
  async () => {
    const gun = 'example.org/delegations/again'
    const owner = await stage.client()
    await owner.run('init', '-p', gun)
    const { certificate, key } = await delegationKey(owner.directory, 'ecdsa')
    await owner.run('key', 'import', key, '--role', 'targets/qa')
    const sign = async (role: string): Promise<Outcome> => {
      await owner.run('delegation', 'add', '-p', gun, role, certificate, '--all-paths')
      return owner.try('add', '-p', gun, 'v1', await stage.file('one'), '-r', role)
    }
    succeeded(await sign('targets/qa'))
    await owner.run('delegation', 'remove', '-p', '-y', gun, 'targets/qa')
    const refused = await sign('targets/qa')
    const forget = /removed since: .* so notary (reset \S+ --all), and delegate to another name/.exec(refused.text)?.[1]
    assert.ok(forget !== undefined, refused.text)
    await owner.run(...forget.split(' '))
    succeeded(await sign('targets/qa2'))
    assert.deepEqual(await (await stage.client()).list(gun), ['v1 targets/qa2'])
  },
)

test(
  'who removes a delegation, adds it and signs in it with one publish is told to change its keys and paths instead',
  { skip },
  async () => {
    const gun = 'example.org/delegations/anew'
    const owner = await repository(gun)
    const { certificate, key } = await delegationKey(owner.directory, 'ecdsa')
    await owner.run('key', 'import', key, '--role', 'targets/qa')
    await owner.run('delegation', 'add', '-p', gun, 'targets/qa', certificate, '--all-paths')
    for (const tag of ['v1', 'v2']) {
      await owner.run('add', '-p', gun, tag, await stage.file(tag), '-r', 'targets/qa')
    }
    await owner.run('delegation', 'remove', '-y', gun, 'targets/qa')
    await owner.run('delegation', 'add', gun, 'targets/qa', certificate, '--paths', 'v')
    const file = await stage.file('three')
    const refused = await owner.try('add', '-p', gun, 'v3', file, '-r', 'targets/qa')
    const told = /or this one removes .* so notary (reset \S+ --all), and change its keys and paths/.exec(refused.text)
    assert.ok(told?.[1] !== undefined, refused.text)
    await owner.run(...told[1].split(' '))
    await owner.run('delegation', 'remove', '-y', gun, 'targets/qa', '--all-paths')
    await owner.run('delegation', 'add', gun, 'targets/qa', '--paths', 'v')
    await owner.run('add', '-p', gun, 'v3', file, '-r', 'targets/qa')
    const tags = ['v1 targets/qa', 'v2 targets/qa', 'v3 targets/qa']
    assert.deepEqual(await (await stage.client()).list(gun), tags)
  },
)

test("without the owner's snapshot key, a delegate is told why publishing is refused", { skip }, async () => {
  const gun = 'example.org/delegations/client-snapshot'
  const owner = await stage.client()
  await owner.run('init', '-p', gun)
  const { client, certificate } = await delegate('ecdsa', 'targets/releases')
  await owner.run('delegation', 'add', '-p', gun, 'targets/releases', certificate, '--all-paths')
  const refused = await client.try('add', '-p', gun, 'v1', await stage.file('one'), '-r', 'targets/releases')
  assert.notEqual(refused.code, 0)
  assert.match(refused.text, /snapshot/)
  // The owner can, with the delegate's key beside its own.
  await cp(join(client.directory, 'private'), join(owner.directory, 'private'), { recursive: true })
  await owner.run('add', '-p', gun, 'v1', await stage.file('one'), '-r', 'targets/releases')
  assert.deepEqual(await (await stage.client()).list(gun), ['v1 targets/releases'])
})

test('eight delegates publish concurrently, and all succeed', { skip }, async () => {
  const gun = 'example.org/delegations/together'
  const owner = await repository(gun)
  const names = Array.from({ length: 8 }, (_, index) => `targets/d${index}`)
  const delegates = await Promise.all(names.map((name) => delegate('ecdsa', name)))
  for (const [index, { certificate }] of delegates.entries()) {
    await owner.run('delegation', 'add', gun, names[index] ?? '', certificate, '--all-paths')
  }
  await owner.run('publish', gun)
  const file = await stage.file('content')
  const outcomes = await Promise.all(
    delegates.map(({ client }, index) => client.try('add', '-p', gun, `v${index}`, file, '-r', names[index] ?? '')),
  )
  assert.deepEqual(
    outcomes.map(({ code, text }) => (code === 0 ? '' : text)),
    names.map(() => ''),
  )
  assert.equal((await (await stage.client()).list(gun)).length, 8)
})
