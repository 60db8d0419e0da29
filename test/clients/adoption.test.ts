import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { checkStore } from '../../src/admin/check.ts'
import { goServerMissing, startGoServer, type GoServer } from '../support/go-server.ts'
import { timeText } from '../support/metadata-file.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { delegationKey } from './support/delegation-key.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import type { NotaryClient, Server } from './support/notary.ts'
import { Stage } from './support/stage.ts'
import { runProgram, skipWithout, succeeded, type Outcome } from './support/tools.ts'

const skip = skipWithout('notary', 'notary-server') || (goServerMissing() ?? false)
const withDocker = skipWithout('docker') === false
let go: GoServer
let stage: Stage
/** File with the passphrase of the root keys sealed here. */
let passphrase: string
/** File with the passphrase of the owners' key files. */
let keyPassphrase: string

before(async () => {
  if (skip !== false) return
  go = await startGoServer()
  stage = await Stage.open()
  passphrase = await stage.file('a passphrase for root')
  keyPassphrase = await stage.file('a-test-passphrase')
})
after(async () => {
  if (skip !== false) return
  await go.stop()
  await stage.close()
})

const type: Stage['type'] = (...args) => stage.type(...args)
const done = (...args: string[]): Promise<string> => stage.done(args)

interface Adopted {
  readonly state: string
  readonly roots: { readonly first: number; readonly last: number }
  readonly rootKeys: readonly string[]
  readonly signedHere: boolean
  readonly warnings: readonly string[]
}

async function adopt(gun: string, ...args: string[]): Promise<Adopted> {
  const [adopted] = JSON.parse(await done('repo', 'adopt', gun, ...args, '--json')) as Adopted[]
  assert.ok(adopted !== undefined)
  return adopted
}

const fromGo = (): string[] => ['--from', go.url, '--tlscacert', go.caFile]

async function person(server: Server): Promise<NotaryClient> {
  const client = await stage.client()
  client.use(server)
  return client
}

const keyFile = (directory: string, id = ''): string => join(directory, 'private', `${id}.key`)

async function importRoot(name: string, file: string): Promise<void> {
  await done(...['root', 'import', name, file, '--key-passphrase-file', keyPassphrase, '--passphrase-file', passphrase])
}

async function delegate(owner: NotaryClient, gun: string): Promise<void> {
  const { key, certificate } = await delegationKey(owner.directory, 'ecdsa')
  await owner.run('delegation', 'add', '-p', gun, 'targets/releases', certificate, '--all-paths')
  await owner.run('key', 'import', key, '--role', 'user')
}

const addTag = async (owner: NotaryClient, gun: string, tag: string, role = 'targets'): Promise<void> => {
  await owner.run('addhash', '-p', gun, tag, '7', '--sha256', 'ab'.repeat(32), '-r', role)
}

async function takeOver(gun: string, trustDirectory: string, [id = '']: readonly string[]): Promise<void> {
  const name = id.slice(0, 12)
  await importRoot(name, keyFile(trustDirectory, id))
  await done('key', 'rotate', gun, 'snapshot', '--passphrase-file', passphrase)
}

/** Makes a repository as docker does, with the server signing snapshots. */
async function dockersWay(gun: string): Promise<NotaryClient> {
  const owner = await person(go)
  await owner.run('init', '-p', gun)
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  await addTag(owner, gun, 'v1')
  return owner
}

/** Runs `docker trust inspect`, which needs no engine. @param home where docker caches what it read */
async function inspect(gun: string, home: string, { url, caFile }: Server): Promise<Outcome> {
  const tls = join(home, 'tls', new URL(url).host)
  await mkdir(tls, { recursive: true })
  await copyFile(caFile, join(tls, 'ca.crt'))
  const environment = { HOME: home, DOCKER_CONFIG: home, DOCKER_CONTENT_TRUST_SERVER: url }
  return runProgram('docker', ['trust', 'inspect', gun], environment)
}

test('with the root key at hand, readers and owner continue from any cached state', { skip }, async () => {
  const gun = 'example.org/moved/app'
  const owner = await dockersWay(gun)
  const [oldest, newest] = [await person(go), await person(go)]
  assert.deepEqual(await oldest.list(gun), ['v1 targets'])
  await delegate(owner, gun)
  await addTag(owner, gun, 'v2', 'targets/releases')
  succeeded(await owner.answer('yes\n', 'key', 'rotate', gun, 'root'))
  const before = ['v1 targets', 'v2 targets/releases']
  assert.deepEqual(await newest.list(gun), before)
  const home = await mkdtemp(join(stage.files, 'docker-'))
  const inspected = withDocker ? succeeded(await inspect(gun, home, go)).stdout : ''
  if (withDocker) assert.match(inspected, /"SignedTag": "v2"/)
  const adopted = await adopt(gun, ...fromGo())
  assert.deepEqual(adopted.roots, { first: 1, last: 3 })
  assert.deepEqual([adopted.state, adopted.signedHere, adopted.warnings], ['adopted', false, []])
  const waiting = await person(stage)
  newest.use(stage)
  assert.deepEqual(await newest.list(gun), before)
  assert.deepEqual(await waiting.list(gun), before)
  if (withDocker) assert.equal(succeeded(await inspect(gun, home, stage)).stdout, inspected)
  assert.deepEqual((await stage.ask(checkStore, {})).findings, [])
  assert.deepEqual(await stage.server.check(), [])

  await importRoot('moved', keyFile(owner.directory, adopted.rootKeys[0]))
  assert.match(await done('key', 'rotate', gun, 'snapshot', '--plan'), /all clients follow/)
  await done('key', 'rotate', gun, 'snapshot', '--passphrase-file', passphrase)
  for (const client of [oldest, newest, waiting, await stage.client()]) {
    client.use(stage)
    assert.deepEqual(await client.list(gun), before)
  }
  if (withDocker) assert.equal(succeeded(await inspect(gun, home, stage)).stdout, inspected)
  owner.use(stage)
  await addTag(owner, gun, 'v3')
  await addTag(owner, gun, 'v4', 'targets/releases')
  const now = ['v1 targets', 'v2 targets/releases', 'v3 targets', 'v4 targets/releases']
  for (const client of [oldest, newest, waiting, owner]) assert.deepEqual(await client.list(gun), now)
  assert.deepEqual((await stage.ask(checkStore, {})).findings, [])
  const again = await adopt(gun, ...fromGo())
  assert.deepEqual([again.state, again.signedHere], ['as before', true])
  assert.deepEqual(await stage.server.check(), [])
})

test('the next root is made here and signed where the key is', { skip }, async () => {
  const gun = 'example.org/offline/app'
  const owner = await dockersWay(gun)
  const reader = await person(go)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  const { rootKeys } = await adopt(gun, ...fromGo())
  const staged = join(stage.files, 'adopted-staged.json')
  await done('key', 'rotate', gun, 'snapshot', '--stage')
  await done('root', 'show', gun, '--out', staged)
  await done(
    'root',
    'sign',
    staged,
    '--key',
    keyFile(owner.directory, rootKeys[0]),
    '--key-passphrase-file',
    keyPassphrase,
  )
  await done('root', 'publish', gun, staged)
  for (const client of [owner, reader]) client.use(stage)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await addTag(owner, gun, 'v2')
  for (const client of [reader, await stage.client()]) {
    assert.deepEqual(await client.list(gun), ['v1 targets', 'v2 targets'])
  }
  assert.deepEqual(await stage.server.check(), [])
})

test('an owner who signs snapshots takes over with notary alone', { skip }, async () => {
  const gun = 'example.org/alone/app'
  const owner = await person(go)
  await owner.run('init', '-p', gun)
  await addTag(owner, gun, 'v1')
  const reader = await person(go)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await adopt(gun, ...fromGo())
  for (const client of [owner, reader]) client.use(stage)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  const early = await owner.try('addhash', '-p', gun, 'v2', '7', '--sha256', 'ab'.repeat(32))
  assert.match(early.text, /its root must name keys of this server \(notary key rotate \S+ timestamp -r\)/)
  await owner.run('key', 'rotate', gun, 'timestamp', '-r')
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await owner.run('publish', gun)
  for (const client of [reader, await stage.client()]) {
    assert.deepEqual(await client.list(gun), ['v1 targets', 'v2 targets'])
  }
  assert.deepEqual(await stage.server.check(), [])
})

test('an owner takes over with notary alone after taking the snapshot key on the other server', { skip }, async () => {
  const gun = 'example.org/alone/before'
  const owner = await dockersWay(gun)
  const reader = await person(go)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await owner.run('key', 'rotate', gun, 'snapshot')
  await adopt(gun, ...fromGo())
  for (const client of [owner, reader]) client.use(stage)
  await owner.run('key', 'rotate', gun, 'timestamp', '-r')
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  await addTag(owner, gun, 'v2')
  for (const client of [reader, await stage.client()]) {
    assert.deepEqual(await client.list(gun), ['v1 targets', 'v2 targets'])
  }
  assert.deepEqual(await stage.server.check(), [])
})

test("a repository is adopted from a reader's cache when the other server is gone", { skip }, async (t) => {
  const gone = await startGoServer()
  let running = true
  const stop = async (): Promise<void> => {
    if (running) await gone.stop()
    running = false
  }
  t.after(stop)
  const gun = 'example.org/gone/app'
  const owner = await person(gone)
  await owner.run('init', '-p', gun)
  const first = await person(gone)
  assert.deepEqual(await first.list(gun), [])
  const early = await person(gone)
  assert.deepEqual(await early.list(gun), [])
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  const second = await person(gone)
  assert.deepEqual(await second.list(gun), [])
  await delegate(owner, gun)
  await addTag(owner, gun, 'v1', 'targets/releases')
  succeeded(await owner.answer('yes\n', 'key', 'rotate', gun, 'root'))
  const reader = await person(gone)
  const before = ['v1 targets/releases']
  assert.deepEqual(await reader.list(gun), before)
  await stop()

  const adopted = await adopt(gun, '--from', reader.directory)
  assert.deepEqual(adopted.roots, { first: 3, last: 3 })
  const some =
    /^clients that have a root older than version 2 cached follow only where its root key has signed version 3 too/
  assert.match(adopted.warnings.join('\n'), some)
  early.use(stage)
  assert.deepEqual(await early.list(gun), before, 'it is signed by the root key that this client knows')
  await importRoot('gone', keyFile(owner.directory, adopted.rootKeys[0]))
  const plan = await done('key', 'rotate', gun, 'snapshot', '--plan')
  assert.match(
    plan,
    /\n  clients with root version 1 do not follow: version 2 is not stored; those whose root key is still in force do\n  breaks/,
  )
  await done('key', 'rotate', gun, 'snapshot', '--passphrase-file', passphrase)
  for (const client of [owner, first, second, reader]) client.use(stage)
  for (const client of [second, reader, await stage.client()]) assert.deepEqual(await client.list(gun), before)
  const { code, text } = await first.try('list', gun)
  assert.notEqual(code, 0)
  assert.match(text, /does not have trust data for/)
  await addTag(owner, gun, 'v2', 'targets/releases')
  assert.deepEqual(await reader.list(gun), ['v1 targets/releases', 'v2 targets/releases'])
  assert.deepEqual(await stage.server.check(), [])
})

test(
  'before this server signs, publishers are told why they cannot publish, and their changes wait',
  { skip },
  async () => {
    const gun = 'example.org/early/app'
    const owner = await dockersWay(gun)
    await adopt(gun, ...fromGo())
    owner.use(stage)
    const addition = ['addhash', '-p', gun, 'v2', '7', '--sha256', 'ab'.repeat(32)]
    for (const args of [
      addition,
      ['key', 'rotate', gun, 'timestamp', '-r'],
      ['key', 'rotate', gun, 'snapshot', '-r'],
    ]) {
      const { code, text } = await owner.try(...args)
      assert.notEqual(code, 0)
      assert.match(
        text,
        /validation: example\.org\/early\/app was adopted from another server, and this one cannot sign it/,
      )
    }
    owner.use(go)
    await owner.run('publish', gun)
    assert.deepEqual(await owner.list(gun), ['v1 targets', 'v2 targets'])
    assert.equal((await adopt(gun, ...fromGo())).state, 'adopted')
    const reader = await stage.client()
    assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
  },
)

test(
  'an expired timestamp is adopted and served, clients refuse it with their own message, and a new root repairs it',
  { skip },
  async (t) => {
    // Its clock stands still, a minute ago.
    const old = await Stage.open({ now: Date.now() - 60_000 })
    t.after(() => old.close())
    const gun = 'example.org/ended/app'
    const owner = await person(old)
    await owner.run('init', '-p', gun)
    await addTag(owner, gun, 'v1')
    const reader = await person(old)
    assert.deepEqual(await reader.list(gun), ['v1 targets'])
    // So it does not renew what has expired for everybody else.
    await old.server.restart({ timestampLifeDays: 1 / 86_400 })
    await owner.run('key', 'rotate', gun, 'snapshot', '-r')
    stage.server.clock.now = Date.now()
    const { warnings, rootKeys } = await adopt(gun, '--from', old.url, '--tlscacert', old.caFile)
    assert.match(warnings.join('\n'), /^timestamp expired at /)
    reader.use(stage)
    const readers = [reader, await stage.client()]
    for (const client of readers) {
      const { code, text } = await client.try('list', gun)
      assert.notEqual(code, 0)
      assert.match(text, /fatal: timestamp expired at /)
    }
    const home = await mkdtemp(join(stage.files, 'docker-'))
    if (withDocker) {
      const { code, text } = await inspect(gun, home, stage)
      assert.notEqual(code, 0)
      assert.match(text, /Metadata for timestamp expired[^]*\nno signatures or cannot access example\.org\/ended\/app/)
    }
    await takeOver(gun, owner.directory, rootKeys)
    if (withDocker) {
      assert.match(succeeded(await inspect(gun, home, stage)).stdout, /"SignedTag": "v1"/)
    }
    for (const client of readers) assert.deepEqual(await client.list(gun), ['v1 targets'])
    assert.deepEqual(await stage.server.check(), [])
  },
)

/** Publishes a document that ends soon, but not before the reader has read it, even on a busy machine; waits for its end. */
async function readUntilItEnds(
  reader: NotaryClient,
  owner: TrustWorld,
  role: 'root' | 'snapshot',
  publish: () => Promise<void>,
): Promise<void> {
  for (let life = 4_000, isRead = false; !isRead; life *= 2) {
    const ends = Date.now() + life
    owner[role].expires = timeText(ends)
    await publish()
    isRead = (await reader.try('list', owner.gun)).code === 0
    await pause(Math.max(0, ends + 1_000 - Date.now()))
  }
}

test('a publisher’s expired snapshot is adopted from a cache and replaced with the next root', { skip }, async () => {
  const gun = 'example.org/ended/snapshot'
  const endpoint = { url: go.url, ca: await readFile(go.caFile, 'utf8') }
  const owner = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(endpoint, gun) })
  await owner.publishFirst(endpoint)
  const reader = await person(go)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await readUntilItEnds(reader, owner, 'snapshot', () => owner.publish(endpoint, 'targets'))
  stage.server.clock.now = Date.now()
  const { code, stderr } = await type('repo', 'adopt', gun, ...fromGo())
  assert.equal(code, 2)
  assert.match(stderr, /answers 500 \("unknown error"\)\nhint: .*: then take it from a cache/)
  const { warnings } = await adopt(gun, '--from', reader.directory)
  assert.match(warnings.join('\n'), /^snapshot expired at /)
  const [key] = owner.signers.get('root') ?? []
  await importRoot('ended', await stage.file(String(key?.privateKey.export({ type: 'pkcs8', format: 'pem' }))))
  await done('key', 'rotate', gun, 'snapshot', '--passphrase-file', passphrase)
  reader.use(stage)
  for (const client of [reader, await stage.client()]) assert.deepEqual(await client.list(gun), ['v1 targets'])
  assert.deepEqual(await stage.server.check(), [])
})

test('an expired root is adopted while its certificates live, and a new root repairs it', { skip }, async () => {
  const gun = 'example.org/ended/root'
  const endpoint = { url: go.url, ca: await readFile(go.caFile, 'utf8') }
  const serverKeys = keysFrom(endpoint, gun)
  const owner = await TrustWorld.create({ gun, now: Date.now(), serverKeys, snapshot: 'server' })
  await owner.publishFirst(endpoint)
  const reader = await person(go)
  await readUntilItEnds(reader, owner, 'root', () => owner.publish(endpoint, 'root'))
  stage.server.clock.now = Date.now()
  // Nobody can mend it there: a client reads before it publishes.
  for (const command of ['list', 'publish']) {
    assert.match((await reader.try(command, gun)).text, /fatal: root expired at /)
  }
  const { warnings } = await adopt(gun, ...fromGo())
  assert.match(warnings.join('\n'), /^root expired at /)
  reader.use(stage)
  const readers = [reader, await stage.client()]
  for (const client of readers) {
    const { code, text } = await client.try('list', gun)
    assert.notEqual(code, 0)
    assert.match(text, /fatal: root expired at /)
  }
  const [key] = owner.signers.get('root') ?? []
  await importRoot('over', await stage.file(String(key?.privateKey.export({ type: 'pkcs8', format: 'pem' }))))
  await done('key', 'rotate', gun, 'snapshot', '--passphrase-file', passphrase)
  for (const client of readers) assert.deepEqual(await client.list(gun), ['v1 targets'])
  assert.deepEqual(await stage.server.check(), [])
})

test("without its root key, a repository's tags are signed again under a root key of one's own", { skip }, async () => {
  const gun = 'example.org/somebody/else'
  const owner = await dockersWay(gun)
  await addTag(owner, gun, 'v2')
  const reader = await person(go)
  await reader.list(gun)
  await adopt(gun, ...fromGo())
  const rows = (await done('tag', 'list', gun)).trimEnd().split('\n').slice(1)
  assert.equal(rows.length, 2)
  // As awk does.
  const tags = await stage.file(rows.map((row) => row.split(/ +/, 3).join(' ')).join('\n'))
  await done('repo', 'delete', gun, '--yes')
  await done('repo', 'create', gun, '--passphrase-file', passphrase)
  await done('tag', 'sign', gun, '--from', tags)

  const signed = ['v1 targets', 'v2 targets']
  reader.use(stage)
  const stranger = await stage.client()
  assert.deepEqual(await stranger.list(gun), signed)
  const { code, text } = await reader.try('list', gun)
  assert.notEqual(code, 0)
  assert.match(text, /fatal: could not rotate trust to a new trusted root/)
  await rm(join(reader.directory, 'tuf', gun), { recursive: true })
  assert.deepEqual(await reader.list(gun), signed)
})

test(
  'with docker alone, trust sign and pull work before, during and after adoption',
  { skip: skip || skipWithout('docker', 'dockerd', 'docker-registry') },
  async (t) => {
    const engine = await Engine.start()
    t.after(() => engine.stop())
    const image = `${engine.registry}/team/app`
    const [owner, reader] = [
      await DockerClient.create(engine, go, 'alice'),
      await DockerClient.create(engine, go, 'bob'),
    ]
    for (const tag of ['v1', 'v2']) await engine.image(`${image}:${tag}`, tag)
    await owner.run('trust', 'sign', `${image}:v1`)
    await reader.run('pull', `${image}:v1`)
    const { rootKeys } = await adopt(image, ...fromGo())
    for (const client of [owner, reader]) await client.use(stage)
    await reader.run('pull', `${image}:v1`)
    const early = await owner.try('trust', 'sign', `${image}:v2`)
    assert.notEqual(early.code, 0)
    assert.match(
      early.text,
      /failed to sign \S+: An error occurred during validation: \S+ was adopted from another server/,
    )
    await takeOver(image, join(owner.directory, 'trust'), rootKeys)
    await owner.run('trust', 'sign', `${image}:v2`)
    for (const client of [reader, await DockerClient.create(engine, stage, 'carol')]) {
      await client.run('pull', `${image}:v2`)
      assert.deepEqual(Object.keys(await client.signed(image)), ['v1', 'v2'])
    }
    assert.deepEqual(await stage.server.check(), [])
  },
)
