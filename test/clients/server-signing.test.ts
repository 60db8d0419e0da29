import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeSigner, renewSigner } from '../../src/admin/signers.ts'
import { removeTag } from '../../src/admin/tags.ts'
import { createRepositories } from '../support/owner.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry', 'notary')
let stage: Stage
let engine: Engine
let passphrase: string

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  engine = await Engine.start()
  passphrase = await stage.file('a passphrase for root')
})
after(async () => {
  if (skip !== false) return
  await engine.stop()
  await stage.close()
})

const person = (user: string): Promise<DockerClient> => DockerClient.create(engine, stage, user)

/** Runs a command beside the running server. @throws Error with its output if it fails */
const type = (args: readonly string[], docker?: DockerClient): Promise<string> =>
  stage.done(args, { DOCKER_CONFIG: docker?.directory ?? stage.files })

test('the server signs what the registry has; docker pulls exactly that and nothing else', { skip }, async () => {
  const gun = `${engine.registry}/team/by-server`
  const alice = await person('alice')
  await engine.image(`${gun}:v1`, 'signed by the server')
  await alice.untrusted('push', `${gun}:v1`)
  await engine.image(`${gun}:v2`, 'not signed')
  await alice.untrusted('push', `${gun}:v2`)
  await createRepositories(stage, passphrase, gun)
  await type(['tag', 'sign', gun, 'v1'], alice)
  const bob = await person('bob')
  const { digest = '' } = (await bob.signed(gun))['v1'] ?? {}
  assert.match((await bob.run('pull', `${gun}:v1`)).text, new RegExp(`@sha256:${digest}`))
  assert.match((await bob.try('pull', `${gun}:v2`)).text, /No valid trust data for v2/)
  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await type(['tag', 'remove', gun, 'v1'])
  assert.deepEqual(await reader.list(gun), [])
  assert.deepEqual(await stage.server.check(), [])
})

test('an owner adds a signer of the server, and docker pulls what it signs', { skip }, async () => {
  const gun = `${engine.registry}/team/by-signer`
  const owner = await person('owner')
  await engine.image(`${gun}:v1`, 'signed by the owner')
  await owner.run('push', `${gun}:v1`)
  const { publicKey } = await stage.ask(makeSigner, { name: 'ci' })
  const pem = join(stage.files, 'ci.pem')
  await writeFile(pem, publicKey)
  await owner.run('trust', 'signer', 'add', '--key', pem, 'ci', gun)
  await engine.image(`${gun}:v2`, 'signed by the signer')
  await owner.untrusted('push', `${gun}:v2`)
  await type(['tag', 'sign', gun, 'v2', '--as', 'ci'], owner)
  const bob = await person('bob')
  const signed = await bob.signed(gun)
  assert.deepEqual(signed['v2']?.signers, ['ci'])
  assert.match((await bob.run('pull', `${gun}:v2`)).text, new RegExp(`@sha256:${signed['v2']?.digest}`))
  await engine.image(`${gun}:v3`, 'and again')
  await owner.untrusted('push', `${gun}:v3`)
  await type(['tag', 'sign', gun, 'v3', '--as', 'ci'], owner)
  // The signer's key may be stolen: the owner adds a new one before the old one ends.
  await writeFile(pem, (await stage.ask(renewSigner, { name: 'ci' })).publicKey)
  await owner.run('trust', 'signer', 'add', '--key', pem, 'ci', gun)
  await type(['signer', 'rotate', 'ci', '--finish'])
  await engine.image(`${gun}:v4`, 'by the new key')
  await owner.untrusted('push', `${gun}:v4`)
  await type(['tag', 'sign', gun, 'v4', '--as', 'ci'], owner)
  assert.deepEqual((await bob.signed(gun))['v4']?.signers, ['ci'])
  await bob.run('pull', `${gun}:v4`)
  await stage.ask(removeTag, { gun, tag: 'v2', as: 'ci' })
  assert.deepEqual(Object.keys(await bob.signed(gun)).sort(), ['v1', 'v3', 'v4'])
  assert.deepEqual(await stage.server.check(), [])
})

test('an owner who has only docker follows the runbook for a stolen signer key', { skip }, async () => {
  const gun = `${engine.registry}/team/by-stolen`
  const owner = await person('hurried')
  const pem = join(stage.files, 'night.pem')
  const { publicKey } = await stage.ask(makeSigner, { name: 'night' })
  await writeFile(pem, publicKey)
  for (const tag of ['ours', 'theirs']) {
    await engine.image(`${gun}:${tag}`, tag)
    await owner.untrusted('push', `${gun}:${tag}`)
  }
  await owner.run('trust', 'signer', 'add', '--key', pem, 'night', gun)
  for (const tag of ['ours', 'theirs']) await type(['tag', 'sign', gun, tag, '--as', 'night'], owner)
  const bob = await person('bob')
  assert.deepEqual(Object.keys(await bob.signed(gun)).toSorted(), ['ours', 'theirs'])
  await type(['signer', 'rotate', 'night'])
  await writeFile(pem, await type(['signer', 'show', 'night']))
  await owner.answer('y\n', 'trust', 'signer', 'remove', 'night', gun)
  await owner.run('trust', 'signer', 'add', '--key', pem, 'night', gun)
  assert.deepEqual(await bob.signed(gun), {})
  assert.doesNotMatch(await type(['signer', 'rotate', 'night', '--finish']), /warning/)
  assert.match(await type(['tag', 'sign', gun, 'ours', '--as', 'night'], owner), /not signed again, .*: theirs\n$/)
  assert.deepEqual(Object.keys(await bob.signed(gun)), ['ours'])
  await bob.run('pull', `${gun}:ours`)
  assert.deepEqual(await stage.server.check(), [])
})

test('an image index is signed as such, and docker pulls the image for this platform', { skip }, async () => {
  const gun = `${engine.registry}/team/by-index`
  const alice = await person('index')
  await engine.image(`${gun}:one`, 'one platform')
  await alice.untrusted('push', `${gun}:one`)
  const manifests = `http://${engine.registry}/v2/team/by-index/manifests`
  const single = 'application/vnd.docker.distribution.manifest.v2+json'
  const manifest = Buffer.from(await (await fetch(`${manifests}/one`, { headers: { Accept: single } })).arrayBuffer())
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' }
  const mediaType = 'application/vnd.docker.distribution.manifest.list.v2+json'
  const entry = { mediaType: single, size: manifest.length, digest: `sha256:${sha256(manifest)}`, platform }
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [entry] }))
  const put = { method: 'PUT', body: index, headers: { 'Content-Type': mediaType } }
  assert.equal((await fetch(`${manifests}/many`, put)).status, 201)
  await createRepositories(stage, passphrase, gun)
  await type(['tag', 'sign', gun, 'many'], alice)
  const bob = await person('bob')
  assert.equal((await bob.signed(gun))['many']?.digest, sha256(index))
  assert.match((await bob.run('pull', `${gun}:many`)).text, new RegExp(`@sha256:${sha256(index)}`))
})

test(
  "a signer that the owner has removed stays removed when the server's signer signs in its place",
  { skip },
  async () => {
    const gun = `${engine.registry}/team/by-another`
    const owner = await person('owner')
    const alice = await person('alice')
    await alice.run('trust', 'key', 'generate', 'alice', '--dir', stage.files)
    await owner.run('trust', 'signer', 'add', '--key', join(stage.files, 'alice.pub'), 'alice', gun)
    await engine.image(`${gun}:v1`, 'signed by alice')
    await alice.run('trust', 'sign', `${gun}:v1`)
    const bob = await person('bob')
    assert.deepEqual((await bob.signed(gun))['v1']?.signers, ['alice'])
    // docker asks because alice signed last; with --force it does not ask, and removes nobody.
    await owner.answer('y\n', 'trust', 'signer', 'remove', 'alice', gun)
    assert.deepEqual(await bob.signed(gun), {})
    const pem = await stage.file((await stage.ask(makeSigner, { name: 'robot' })).publicKey)
    await owner.run('trust', 'signer', 'add', '--key', pem, 'robot', gun)
    await engine.image(`${gun}:v2`, 'signed by the server')
    await owner.untrusted('push', `${gun}:v2`)
    assert.match(
      await type(['tag', 'sign', gun, 'v2', '--as', 'robot'], owner),
      /\(targets\/robot, targets\/releases\)\nnot signed again, since the key that signed them is no longer trusted: v1\n$/,
    )
    assert.deepEqual(Object.keys(await bob.signed(gun)), ['v2'])
    await bob.run('pull', `${gun}:v2`)
    assert.match((await bob.try('pull', `${gun}:v1`)).text, /No valid trust data for v1/)
    assert.deepEqual(await stage.server.check(), [])
  },
)
