import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { delegationKey } from './support/delegation-key.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry')
let stage: Stage
let engine: Engine

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  engine = await Engine.start()
})
after(async () => {
  if (skip !== false) return
  await engine.stop()
  await stage.close()
})

const person = (user: string): Promise<DockerClient> => DockerClient.create(engine, stage, user)

test(
  'a new repository and a second tag are signed; another person inspects and pulls exactly those',
  { skip },
  async () => {
    const repository = `${engine.registry}/team/sign`
    const alice = await person('alice')
    await engine.image(`${repository}:v1`, 'sign one')
    await engine.image(`${repository}:v2`, 'sign two')
    await alice.run('trust', 'sign', `${repository}:v1`)
    await alice.run('trust', 'sign', `${repository}:v2`)
    const bob = await person('bob')
    const signed = await bob.signed(repository)
    assert.deepEqual(Object.keys(signed).sort(), ['v1', 'v2'])
    assert.deepEqual(signed['v1']?.signers, ['alice'])
    assert.match((await bob.run('pull', `${repository}:v1`)).text, new RegExp(`Tagging .*${signed['v1']?.digest}`))
  },
)

test('a trusted pull gets the signed digest after the tag was moved in the registry', { skip }, async () => {
  const repository = `${engine.registry}/team/moved`
  const alice = await person('alice')
  await engine.image(`${repository}:v1`, 'what was signed')
  await alice.run('push', `${repository}:v1`)
  const before = (await alice.signed(repository))['v1']?.digest ?? ''
  await engine.image(`${repository}:v1`, 'what somebody put in its place')
  const moved = /sha256:[0-9a-f]{64}/.exec((await alice.untrusted('push', `${repository}:v1`)).stdout)?.[0]
  assert.notEqual(moved, `sha256:${before}`)
  const bob = await person('bob')
  assert.match((await bob.run('pull', `${repository}:v1`)).text, new RegExp(`@sha256:${before}`))
})

test('an unsigned tag and an unsigned repository are refused', { skip }, async () => {
  const repository = `${engine.registry}/team/unsigned`
  const alice = await person('alice')
  for (const tag of ['signed', 'plain']) await engine.image(`${repository}:${tag}`, tag)
  await alice.run('push', `${repository}:signed`)
  await alice.untrusted('push', `${repository}:plain`)
  const bob = await person('bob')
  const plain = await bob.try('pull', `${repository}:plain`)
  assert.notEqual(plain.code, 0)
  assert.match(plain.text, /No valid trust data for plain/)
  const other = `${engine.registry}/team/never-signed`
  await engine.image(`${other}:v1`, 'never signed')
  await alice.untrusted('push', `${other}:v1`)
  const never = await bob.try('pull', `${other}:v1`)
  assert.notEqual(never.code, 0)
  assert.match(never.text, /does not have trust data/)
})

test(
  'keys are generated and loaded, signers added and removed, a delegate signs, and one tag and all are revoked',
  { skip },
  async () => {
    const repository = `${engine.registry}/team/signers`
    const owner = await person('owner')
    const jeff = await person('jeff')
    await jeff.run('trust', 'key', 'generate', 'jeff', '--dir', jeff.directory)
    await owner.run('trust', 'signer', 'add', '--key', join(jeff.directory, 'jeff.pub'), 'jeff', repository)
    await engine.image(`${repository}:v1`, 'by jeff')
    await engine.image(`${repository}:v2`, 'by jeff too')
    await jeff.run('trust', 'sign', `${repository}:v1`)
    await jeff.run('trust', 'sign', `${repository}:v2`)
    const bob = await person('bob')
    assert.deepEqual((await bob.signed(repository))['v1']?.signers, ['jeff'])
    await bob.run('pull', `${repository}:v1`)

    // A second signer, with a key made elsewhere and loaded.
    const kim = await person('kim')
    const pem = await stage.client()
    const { key, certificate } = await delegationKey(pem.directory, 'rsa')
    await kim.run('trust', 'key', 'load', key, '--name', 'kim')
    await owner.run('trust', 'signer', 'add', '--key', certificate, 'kim', repository)
    await engine.image(`${repository}:v3`, 'by kim')
    await kim.run('trust', 'sign', `${repository}:v3`)
    assert.deepEqual((await bob.signed(repository))['v3']?.signers, ['kim'])

    // docker asks before it removes whoever signed last; without an answer it removes nobody.
    await owner.run('trust', 'signer', 'remove', 'kim', repository)
    assert.deepEqual((await bob.signed(repository))['v3']?.signers, ['kim'])

    await jeff.run('trust', 'revoke', `${repository}:v2`)
    assert.equal((await bob.signed(repository))['v2'], undefined)
    assert.match((await bob.try('pull', `${repository}:v2`)).text, /No valid trust data for v2/)
    await jeff.run('trust', 'revoke', '--yes', repository)
    assert.deepEqual(await bob.signed(repository), {})
    assert.deepEqual(await stage.server.check(), [])
  },
)

test('a restart between push and pull loses nothing', { skip }, async () => {
  const repository = `${engine.registry}/team/restart`
  const alice = await person('alice')
  await engine.image(`${repository}:v1`, 'restart')
  await alice.run('push', `${repository}:v1`)
  await stage.server.restart()
  const bob = await person('bob')
  await bob.run('pull', `${repository}:v1`)
})
