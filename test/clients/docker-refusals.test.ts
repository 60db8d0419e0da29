import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { tufPath } from '../support/upload.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Interposer } from './support/interposer.ts'
import type { Server } from './support/notary.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry')
let stage: Stage
let engine: Engine
let interposer: Interposer

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  engine = await Engine.start()
  interposer = await Interposer.before(stage)
})
after(async () => {
  if (skip !== false) return
  await interposer.close()
  await engine.stop()
  await stage.close()
})

const person = (user: string, server: Server): Promise<DockerClient> => DockerClient.create(engine, server, user)

async function signedImage(repository: string, publisher: DockerClient, tag: string): Promise<void> {
  await engine.image(`${repository}:${tag}`, `${repository} ${tag}`)
  await publisher.run('push', `${repository}:${tag}`)
}

for (const role of ['timestamp', 'snapshot', 'targets']) {
  test(`tampered ${role} is refused`, { skip }, async () => {
    const repository = `${engine.registry}/refused/tampered-${role}`
    await signedImage(repository, await person('alice', stage), 'v1')
    // Changes a digit of the version: still valid JSON, with other content.
    interposer.meddle = (path, body) =>
      path.includes(`/${role}.`) ? Buffer.from(body.toString().replace(/"version":\d/, '"version":7')) : body
    const bob = await person('bob', interposer)
    const { code, text } = await bob.try('pull', `${repository}:v1`)
    assert.notEqual(code, 0, text)
    interposer.meddle = (_path, body) => body
    await bob.run('pull', `${repository}:v1`)
  })
}

test('an older timestamp is refused by a client that has seen a newer one', { skip }, async () => {
  const repository = `${engine.registry}/refused/replayed`
  const alice = await person('alice', stage)
  await signedImage(repository, alice, 'v1')
  const old = await exchange(stage.server, { path: tufPath(repository, 'timestamp.json') })
  await signedImage(repository, alice, 'v2')
  const bob = await person('bob', interposer)
  await bob.run('pull', `${repository}:v2`)
  interposer.meddle = (path, body) => (path.endsWith('/timestamp.json') ? old.body : body)
  const { code, text } = await bob.try('pull', `${repository}:v2`)
  interposer.meddle = (_path, body) => body
  assert.notEqual(code, 0, text)
  assert.match(text, /version \d+ is lower than current version|lower/i)
})

test('an expired timestamp is refused', { skip }, async (t) => {
  // Its clock stands still, a minute ago.
  const sleepy = await Stage.open({ now: Date.now() - 60_000 })
  t.after(() => sleepy.close())
  const repository = `${engine.registry}/refused/expired`
  const alice = await person('alice', sleepy)
  await signedImage(repository, alice, 'v1')
  const bob = await person('bob', sleepy)
  await bob.run('pull', `${repository}:v1`)
  // So it does not renew what has expired for everybody else.
  await sleepy.server.restart({ timestampLifeDays: 1 / 86_400 })
  await signedImage(repository, alice, 'v2')
  const { code, text } = await (await person('carol', sleepy)).try('pull', `${repository}:v1`)
  assert.notEqual(code, 0, text)
  assert.match(text, /expired/)
})

test('docker verifies the server’s certificate when the registry is not on loopback', { skip }, async () => {
  const repository = 'registry.example.test/team/app'
  const trusting = await person('alice', stage)
  assert.match((await trusting.try('pull', `${repository}:v1`)).text, /does not have trust data/)
  const other = await person('mallory', stage)
  const foreign = await Stage.open()
  try {
    await writeFile(join(other.directory, 'tls', new URL(stage.url).host, 'ca.crt'), foreign.server.ca ?? '')
    assert.match((await other.try('pull', `${repository}:v1`)).text, /certificate signed by unknown authority/)
  } finally {
    await foreign.close()
  }
})
