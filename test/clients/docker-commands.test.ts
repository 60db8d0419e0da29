import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { createRepositories } from '../support/owner.ts'
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

const person = (user: string, server: Server = stage): Promise<DockerClient> =>
  DockerClient.create(engine, server, user)

/** Returns the bytes of a role's current document. */
const current = async (gun: string, role: string): Promise<Buffer> =>
  (await exchange(stage.server, { path: tufPath(gun, `${role}.json`) })).body

test('create and build take what is signed, whatever the tag names here, and nothing unsigned', { skip }, async () => {
  const repository = `${engine.registry}/commands/use`
  const alice = await person('alice')
  await engine.image(`${repository}:v1`, 'signed')
  await alice.run('push', `${repository}:v1`)
  const signed = `${repository}@sha256:${(await alice.signed(repository))['v1']?.digest}`
  await engine.image(`${repository}:v1`, 'another one under the same tag')
  const { stdout } = await alice.run('create', `${repository}:v1`, 'command')
  const used = await alice.run('inspect', '--format', '{{.Config.Image}}', stdout.trim())
  assert.equal(used.stdout.trim(), signed)
  const context = await mkdtemp(join(alice.directory, 'build-'))
  const build = async (image: string): Promise<string> => {
    await writeFile(join(context, 'Dockerfile'), `FROM ${image}\nCOPY Dockerfile /\n`)
    return (await alice.try('build', context)).text
  }
  assert.match(await build(`${repository}:v1`), new RegExp(`FROM ${signed}[^]*Successfully built`))
  const other = `${engine.registry}/commands/not-signed`
  assert.match(await build(`${other}:v1`), /remote trust data does not exist/)
  assert.match((await alice.try('create', `${other}:v1`)).text, /remote trust data does not exist/)
})

test('a push of what is signed already publishes nothing, and one of all tags signs nothing', { skip }, async () => {
  const repository = `${engine.registry}/commands/again`
  const alice = await person('alice')
  await engine.image(`${repository}:v1`, 'once')
  await alice.run('push', `${repository}:v1`)
  const before = await current(repository, 'timestamp')
  assert.match((await alice.run('push', `${repository}:v1`)).text, /Successfully signed/)
  await engine.image(`${repository}:v2`, 'another')
  assert.match((await alice.run('push', '--all-tags', repository)).text, /skipping trust metadata push/)
  assert.deepEqual(await current(repository, 'timestamp'), before)
})

test('who publishes too late is told to do it again; the next push signs both tags', { skip }, async (t) => {
  const repository = `${engine.registry}/commands/late`
  const interposer = await Interposer.before(stage)
  t.after(() => interposer.close())
  const alice = await person('alice', interposer)
  for (const tag of ['v1', 'v2', 'v3', 'v4']) await engine.image(`${repository}:${tag}`, tag)
  await alice.run('push', `${repository}:v1`)
  const early = await current(repository, 'timestamp')
  await alice.run('push', `${repository}:v2`)
  // She reads what was there before v2, from a machine that has not seen v2, as if v2 came between read and upload.
  await rm(join(alice.directory, 'trust', 'tuf'), { recursive: true })
  interposer.meddle = (path, body) => (path.endsWith('/timestamp.json') ? early : body)
  const late = await alice.try('push', `${repository}:v3`)
  assert.equal(late.code, 1)
  assert.match(
    late.text,
    /targets version 3 is not newer than version 3, .*: another publish came first, so do it again/,
  )
  interposer.meddle = (_path, body) => body
  await alice.run('push', `${repository}:v4`)
  assert.deepEqual(Object.keys(await alice.signed(repository)).sort(), ['v1', 'v2', 'v3', 'v4'])
})

test('a plugin is signed by docker and by the server, and an unsigned one is not installed', { skip }, async () => {
  const alice = await person('alice')
  const files = await mkdtemp(join(alice.directory, 'plugin-'))
  await mkdir(join(files, 'rootfs'))
  await writeFile(join(files, 'rootfs', 'program'), '')
  const types = ['docker.dummy/1.0']
  const config = { entrypoint: ['/program'], interface: { socket: 'plugin.sock', types }, network: { type: 'none' } }
  await writeFile(join(files, 'config.json'), JSON.stringify({ description: 'does nothing', ...config }))
  const [hers, ours] = [`${engine.registry}/commands/plugin`, `${engine.registry}/commands/our-plugin`]
  await alice.run('plugin', 'create', `${hers}:v1`, files)
  await alice.run('plugin', 'push', `${hers}:v1`)
  await alice.run('plugin', 'rm', `${hers}:v1`)
  await alice.run('plugin', 'create', `${ours}:v1`, files)
  await createRepositories(stage, await stage.file('a passphrase for root'), ours)
  await alice.untrusted('plugin', 'push', `${ours}:v1`)
  // An engine older than 25.0.3 ends when it installs what is signed, so only what is refused before is installed here.
  assert.match((await alice.try('plugin', 'install', `${ours}:v1`)).text, /No valid trust data for v1/)
  await stage.done(['tag', 'sign', ours, 'v1'], { DOCKER_CONFIG: alice.directory })
  const entry = async (gun: string): Promise<unknown> =>
    (JSON.parse((await current(gun, 'targets')).toString()) as { signed: { targets: { v1?: object } } }).signed.targets
      .v1
  assert.notEqual(await entry(hers), undefined)
  assert.deepEqual(await entry(ours), await entry(hers))
})
