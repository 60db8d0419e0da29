import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setPassword } from '../../src/admin/users.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { readByNode } from '../support/read-by-node.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import type { NotaryClient } from './support/notary.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const PASSWORD = 'correct horse'
/** bcrypt of PASSWORD. */
const BCRYPT = '$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2'

const withDocker = skipWithout('docker', 'dockerd', 'docker-registry')
let engine: Engine

before(async () => {
  if (withDocker !== false) return
  const users = ['alice', 'bob', 'eve', 'stranger']
  engine = await Engine.start({ htpasswd: users.map((user) => `${user}:${BCRYPT}\n`).join('') })
})
after(async () => {
  if (withDocker === false) await engine.stop()
})

describe('notary, with users', { skip: skipWithout('notary') }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open({ settings: { access: { mode: 'built-in' } } })
    const { running } = stage.server
    await addPerson(running, 'pusher', ['read,sign:example.org/team/*'], PASSWORD)
    await addPerson(running, 'reader', ['read:example.org/team/*'], PASSWORD)
    await addPerson(running, 'owner', ['read,sign,rotate,delete:example.org/team/*'], PASSWORD)
  })
  after(() => stage.close())

  async function person(user: string | undefined, password = PASSWORD): Promise<NotaryClient> {
    const client = await stage.client()
    client.credentials = user === undefined ? undefined : `${user}:${password}`
    return client
  }

  test('init, publish, rotate and delete work for authorized users, and the journal names them', async () => {
    const gun = 'example.org/team/the whole'
    const pusher = await person('pusher')
    await pusher.run('init', '-p', gun)
    await pusher.run('add', '-p', gun, 'v1', await stage.file('v1'))
    assert.deepEqual(await (await person('reader')).list(gun), ['v1 targets'])
    const owner = await person('owner')
    // Deleting needs no keys.
    await owner.run('delete', '--remote', gun)
    const other = 'example.org/team/rotated'
    await owner.run('init', '-p', other)
    await owner.run('key', 'rotate', other, 'snapshot', '-r')
    await owner.run('key', 'rotate', other, 'timestamp', '-r')
    const entries = [...stage.server.running.store.journal()].filter((entry) => entry.gun.startsWith('example.org/'))
    const actors = (name: string): string[] => [
      ...new Set(entries.filter((entry) => entry.gun === name).map(({ actor }) => actor.name)),
    ]
    assert.deepEqual(actors(gun), ['user:pusher', 'user:owner'])
    assert.deepEqual(actors(other), ['user:owner'])
    assert.deepEqual(await stage.server.check(), [])
  })

  test("readers with different tokens repeat each other's requests, and only the token is new", async () => {
    const gun = 'example.org/team/read-often'
    await (await person('pusher')).run('init', '-p', gun)
    const list = async (): Promise<void> => {
      assert.deepEqual(await (await person('reader')).list(gun), [])
    }
    await list()
    await list()
    // Two token requests, and four documents first asked for without success: notary tries an anonymous token.
    assert.equal(await readByNode(list), 2 + 4)
  })

  test('unauthorized commands are refused and change nothing', async () => {
    const gun = 'example.org/team/kept'
    const pusher = await person('pusher')
    await pusher.run('init', '-p', gun)
    await pusher.run('add', '-p', gun, 'v1', await stage.file('v1'))
    const before = stage.server.running.store.tail()
    for (const [user, ...args] of [
      ['pusher', 'delete', '--remote', gun],
      ['pusher', 'key', 'rotate', gun, 'timestamp', '-r'],
      ['reader', 'init', '-p', 'example.org/team/new'],
      ['pusher', 'init', '-p', 'example.org/elsewhere/new'],
      [undefined, 'init', '-p', 'example.org/team/new'],
      [undefined, 'list', gun],
    ] as const) {
      // Rotation needs the publisher's own keys.
      const client = user === 'pusher' ? pusher : await person(user)
      const { code, text } = await client.try(...args)
      assert.notEqual(code, 0, `${user} ${args.join(' ')}: ${text}`)
    }
    const wrong = await (await person('pusher', 'wrong password')).try('init', '-p', 'example.org/team/new')
    assert.notEqual(wrong.code, 0)
    assert.deepEqual(stage.server.running.store.tail(), before)
  })

  test('an API token works as the password, with the user "token" or its own name', async () => {
    const { running } = stage.server
    const gun = 'example.org/team/by-token'
    const text = await makeToken(running, 'ci', [`read,sign:${gun}`])
    for (const user of ['token', 'ci']) {
      const client = await person(user, text)
      if (user === 'token') await client.run('init', '-p', gun)
      assert.deepEqual(await client.list(gun), [])
      assert.notEqual((await client.try('init', '-p', `${gun}-2`)).code, 0)
    }
    assert.deepEqual(
      [...running.store.journal()].filter((entry) => entry.gun === gun).map(({ actor }) => actor.name)[0],
      'token:ci',
    )
  })

  test('tokens of the endpoint stay valid across a restart of the server', async () => {
    const gun = 'example.org/team/restart'
    const pusher = await person('pusher')
    await pusher.run('init', '-p', gun)
    await stage.server.restart()
    await pusher.run('add', '-p', gun, 'v1', await stage.file('v1'))
    assert.deepEqual(await (await person('reader')).list(gun), ['v1 targets'])
  })
})

test('notary reads without credentials where reads are public', { skip: skipWithout('notary') }, async (t) => {
  const stage = await Stage.open({ settings: { access: { mode: 'built-in', publicReads: true } } })
  t.after(() => stage.close())
  const gun = 'example.org/team/public'
  await addPerson(stage.server.running, 'pusher', [`sign:${gun}`], PASSWORD)
  const pusher = await stage.client()
  pusher.credentials = `pusher:${PASSWORD}`
  await pusher.run('init', '-p', gun)
  await pusher.run('add', '-p', gun, 'v1', await stage.file('v1'))
  const anybody = await stage.client()
  assert.deepEqual(await anybody.list(gun), ['v1 targets'])
  assert.notEqual((await anybody.try('init', '-p', 'example.org/team/other')).code, 0)
})

describe('docker, with users', { skip: withDocker }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open({ settings: { access: { mode: 'built-in' } } })
    const { running } = stage.server
    await addPerson(running, 'alice', [`read,sign:${engine.registry}/team/*`], PASSWORD)
    await addPerson(running, 'bob', [`read:${engine.registry}/team/*`], PASSWORD)
    await addPerson(running, 'eve', [`read,sign:${engine.registry}/eve/*`], PASSWORD)
  })
  after(() => stage.close())

  async function loggedIn(user: string): Promise<DockerClient> {
    const client = await DockerClient.create(engine, stage, user)
    await client.login(engine.registry, user, PASSWORD)
    return client
  }

  test('docker login, trust sign, inspect and a trusted pull work for authorized users only', async () => {
    const repository = `${engine.registry}/team/app`
    const alice = await loggedIn('alice')
    await engine.image(`${repository}:v1`, 'signed by alice')
    await alice.run('trust', 'sign', `${repository}:v1`)
    const bob = await loggedIn('bob')
    const signed = await bob.signed(repository)
    assert.deepEqual(signed['v1']?.signers, ['alice'])
    assert.match((await bob.run('pull', `${repository}:v1`)).text, new RegExp(`Tagging .*${signed['v1']?.digest}`))
    await engine.image(`${repository}:v2`, 'signed by bob, who may not')
    assert.notEqual((await bob.try('trust', 'sign', `${repository}:v2`)).code, 0)
    const eve = await loggedIn('eve')
    const refused = await eve.try('pull', `${repository}:v1`)
    assert.notEqual(refused.code, 0)
    // The registry accepts them, the trust server does not: docker prints the trust server's reason.
    await setPassword.run(worldOf(stage.server.running), { name: 'eve', password: 'another horse' }, { name: 'local' })
    assert.match(
      (await eve.try('pull', `${repository}:v1`)).text,
      /unauthorized: the user name, password or API token is wrong/,
    )
    assert.deepEqual(Object.keys(await alice.signed(repository)), ['v1'])
    const actors = [...stage.server.running.store.journal()].filter(({ gun }) => gun === repository)
    assert.deepEqual([...new Set(actors.map(({ actor }) => actor.name))], ['user:alice'])
  })
})

test('with public reads, docker pulls as a user whom only the registry knows', { skip: withDocker }, async (t) => {
  const stage = await Stage.open({ settings: { access: { mode: 'built-in', publicReads: true } } })
  t.after(() => stage.close())
  const repository = `${engine.registry}/team/public`
  await addPerson(stage.server.running, 'alice', [`sign:${repository}`], PASSWORD)
  const [alice, stranger] = await Promise.all(
    ['alice', 'stranger'].map(async (user) => {
      const client = await DockerClient.create(engine, stage, user)
      await client.login(engine.registry, user, PASSWORD)
      return client
    }),
  )
  assert.ok(alice && stranger)
  await engine.image(`${repository}:v1`, 'signed by alice')
  await alice.run('push', `${repository}:v1`)
  for (let pull = 0; pull < 6; pull += 1) await stranger.run('pull', `${repository}:v1`)
  await engine.image(`${repository}:v2`, 'by nobody whom the server knows')
  assert.notEqual((await stranger.try('push', `${repository}:v2`)).code, 0)
})
