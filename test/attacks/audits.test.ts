import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { serve } from '../../src/main.ts'
import { TrustError } from '../../src/errors.ts'
import { settingsSchema } from '../../src/settings/schema.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { freePort } from '../support/free-port.ts'
import { fileMeta, signedFile, timeText, type SignatureEntry } from '../support/metadata-file.ts'
import { makeKey, makeRootKey, signWith, type TestKeyType } from '../support/test-key.ts'
import { canonicalJson } from '../support/canonical-json.ts'
import { tufPath } from '../support/upload.ts'
import { DAY, disbelieves, problemOf, Stage, type Repository } from './stage.ts'

/** A test for each finding of the two audits of Notary: NCC Group 2015 and Cure53 2018. */
let stage: Stage
before(async () => {
  stage = await Stage.open()
})
after(() => stage.close())

/** Replaces the targets key by one of this type. */
async function withTargetsKey(repository: Repository, type: TestKeyType): Promise<void> {
  repository.world.setKeys('targets', [makeKey(type)])
  await repository.world.publish(stage.server, 'root', 'targets')
}

const METHODS = ['ecdsa', 'eddsa', 'rsapss', 'rsapkcs1v15', 'pycrypto-pkcs#1 pss', 'hmac', 'none', '']
const FITTING: Record<TestKeyType, readonly string[]> = {
  ecdsa: ['ecdsa'],
  ed25519: ['eddsa'],
  rsa: ['rsapss', 'rsapkcs1v15'],
}

describe('NCC Group 2015', () => {
  for (const type of ['ecdsa', 'ed25519', 'rsa'] as const) {
    test(`NCC-1 (CVE-2015-9258): the key decides the algorithm, not the method: ${type}`, async () => {
      const repository = await stage.repository()
      const { world } = repository
      await withTargetsKey(repository, type)
      const [key] = world.signers.get('targets') ?? []
      assert.ok(key)
      const message = (): Buffer => Buffer.from(canonicalJson(world.targets))
      for (const method of METHODS.filter((name) => !FITTING[type].includes(name))) {
        const before = world.fork()
        world.targets.version += 1
        // The key's own signature, labelled with a method of another key type.
        const forged: SignatureEntry = { keyid: key.id, method, sig: key.sign(message()).toString('base64') }
        const file = Buffer.from(`{"signed":${canonicalJson(world.targets)},"signatures":[${JSON.stringify(forged)}]}`)
        world.files.set('targets', file)
        const parts = [
          { role: 'targets', bytes: file },
          { role: 'snapshot', bytes: world.signSnapshot() },
        ]
        await stage.refuses(repository, parts, 'ErrBadTargets', /threshold/)
        Object.assign(world, { targets: before.targets, snapshot: before.snapshot })
        world.files.set('targets', before.files.get('targets') ?? Buffer.alloc(0))
      }
      for (const method of FITTING[type]) {
        world.signers.set('targets', [{ ...key, method, sign: (bytes) => signWith(key.privateKey, method, bytes) }])
        await world.publish(stage.server, 'targets')
        await repository.client.update()
      }
    })
  }

  test('NCC-2 (CVE-2015-9259): nothing is signed under an expired root, and a new root repairs it', async () => {
    const repository = await stage.repository()
    const { world, client, gun } = repository
    world.root.expires = timeText(stage.server.clock.now + 20 * DAY)
    await world.publish(stage.server, 'root')
    stage.server.clock.now += 15 * DAY
    await client.update()
    stage.server.clock.now += 20 * DAY
    await disbelieves(client, /root expired/)
    const { status } = await exchange(stage.server, { path: tufPath(gun, 'timestamp.json') })
    assert.equal(status, 500, 'a timestamp was signed under an expired root')
    world.root.expires = timeText(stage.server.clock.now + 365 * DAY)
    await world.publish(stage.server, 'root')
    await client.update()
  })

  test('NCC-3: a huge version is refused and blocks nobody', async () => {
    const repository = await stage.repository()
    for (const version of [2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1]) {
      const spoilt = repository.world.fork()
      spoilt.targets.version = version
      await stage.refuses(repository, spoilt.parts('targets'), 'ErrBadTargets')
    }
    await repository.world.publish(stage.server, 'targets')
  })

  test('NCC-4: a client cannot have its own bytes signed', async () => {
    const { gun } = await stage.repository('server')
    const { trust } = stage.server.running
    const [key] = trust.store.keys(parseGun(gun), 'snapshot')
    assert.ok(key)
    const body = JSON.stringify({ _type: 'Snapshot', version: 9 })
    const answer = await exchange(stage.server, { method: 'POST', path: tufPath(gun, 'snapshot.key'), body })
    assert.deepEqual(Object.keys(JSON.parse(answer.body.toString('utf8')) as object), ['keytype', 'keyval'])
    for (const owner of [
      { gun: parseGun(`${gun}/other`), role: 'snapshot', keyId: key.keyId },
      { gun: parseGun(gun), role: 'timestamp', keyId: key.keyId },
      { gun: parseGun(gun), role: 'snapshot', keyId: '0'.repeat(64) },
    ] as const) {
      await assert.rejects(trust.signer.sign(owner, key.sealed, Buffer.from('x')), { code: 'SIGNING_FAILED' })
    }
  })

  test('NCC-5: no private key leaves the process in the clear, not even to disk', async () => {
    const { gun } = await stage.repository('server')
    for (const role of ['timestamp', 'snapshot'] as const) {
      const { body } = await exchange(stage.server, { path: tufPath(gun, `${role}.key`) })
      const { keyval } = JSON.parse(body.toString('utf8')) as { keyval: Record<string, unknown> }
      assert.equal(keyval['private'], null)
    }
    // The prefixes of PKCS#8 ed25519 and P-256 keys, besides PEM.
    const frames = [Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from('0201010420', 'hex')]
    for (const file of await filesOf(stage)) {
      const bytes = await readFile(join(stage.server.directory, 'data', file))
      for (const frame of [...frames, Buffer.from('PRIVATE KEY')]) assert.equal(bytes.indexOf(frame), -1, file)
    }
  })

  test('NCC-6: no setting holds a secret, only the name of a file', () => {
    const names = (schema: object, path: string): string[] =>
      Object.entries(schema).flatMap(([name, value]) =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? names(value as object, `${path}${name}.`)
          : [path + name],
      )
    const all = [...names(settingsSchema.parse({}), ''), ...Object.keys(settingsSchema.shape)]
    const secret = all.filter((name) => /pass|pin|secret|password/i.test(name) && !name.endsWith('File'))
    assert.deepEqual(secret, [])
    assert.ok(all.includes('passphraseFile'))
  })

  test("NCC-7: only its own user can read the server's directories and keys", async () => {
    const { directory } = stage.server
    for (const name of ['data', 'keys']) assert.equal((await stat(join(directory, name))).mode & 0o077, 0, name)
    for (const entry of await readdir(join(directory, 'keys'), { withFileTypes: true })) {
      if (!entry.isFile() || entry.name === 'anchor') continue
      assert.equal((await stat(join(directory, 'keys', entry.name))).mode & 0o077, 0, entry.name)
    }
  })

  test('NCC-8: an invalid certificate prevents the start, without a fallback to plain HTTP', async () => {
    const bad = join(stage.server.directory, 'bad.pem')
    await writeFile(bad, 'no certificate')
    const keysDirectory = join(stage.server.directory, 'other-keys')
    const port = await freePort()
    const settings = settingsSchema.parse({
      dataDirectory: join(stage.server.directory, 'other-data'),
      keysDirectory,
      listen: { port },
      tls: { certificateFile: bad, keyFile: bad },
      logLevel: 'silent',
    })
    const start = serve({ ...settings, anchorFile: join(keysDirectory, 'anchor') })
    await assert.rejects(start, (error) => error instanceof TrustError && error.code === 'BAD_TLS')
    const socket = connect(port, 'localhost')
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    assert.match(String(error), /ECONNREFUSED|AggregateError/)
  })

  test('NCC-A.1: a wrong type or any wrong hash is refused', async () => {
    const repository = await stage.repository()
    for (const role of ['root', 'targets', 'targets/releases'] as const) {
      const world = repository.world.fork()
      world.payload(role)._type = 'Snapshot'
      await stage.refuses({ ...repository, world }, world.nextParts(role), problemOf(role), /expected type/)
    }
    const { world } = repository
    world.signSnapshot()
    const meta = world.snapshot.meta['targets']
    assert.ok(meta)
    meta.hashes['sha512'] = fileMeta(Buffer.from('x')).hashes['sha512'] ?? ''
    const parts = [{ role: 'snapshot', bytes: world.sign('snapshot') }]
    await stage.refuses(repository, parts, 'ErrBadSnapshot', /sha512/)
  })

  test('NCC-A.2: a root that locks its owner out is refused: threshold above keys, root key without signature', async () => {
    const repository = await stage.repository()
    for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
      const world = repository.world.fork()
      const entry = world.root.roles[role]
      assert.ok(entry)
      entry.threshold = entry.keyids.length + 1
      await stage.refuses(repository, world.nextParts('root'), 'ErrBadRoot', /threshold/)
    }
    const { world } = repository
    const old = world.signers.get('root') ?? []
    world.setKeys('root', [makeRootKey(world.gun, stage.server.clock.now)])
    world.signers.set('root', old)
    await stage.refuses(repository, world.nextParts('root'), 'ErrBadRoot', /integrity/)
  })
})

describe('Cure53 2018', () => {
  test('TUF-01-001: an unsigned member beside the signatures is refused, and the next upload succeeds', async () => {
    const repository = await stage.repository()
    const { world } = repository
    const spoilt = world.fork()
    spoilt.targets.version += 1
    const file = spoilt.sign('targets').toString('utf8')
    const bytes = Buffer.from(`${file.slice(0, -1)},"abc":"xyz"}`)
    spoilt.files.set('targets', bytes)
    const parts = [
      { role: 'targets', bytes },
      { role: 'snapshot', bytes: spoilt.signSnapshot() },
    ]
    await stage.refuses(repository, parts, 'MALFORMED_JSON', /abc/)
    await world.publish(stage.server, 'targets')
    await repository.client.update()
  })

  test('TUF-01-002: version 2147483647 is refused and blocks nobody', async () => {
    const repository = await stage.repository()
    for (const role of ['targets', 'targets/releases', 'root']) {
      const spoilt = repository.world.fork()
      spoilt.payload(role).version = 2147483647
      await stage.refuses(repository, spoilt.parts(role), problemOf(role))
    }
    await repository.world.publish(stage.server, 'targets', 'targets/releases', 'root')
    await repository.client.update()
  })

  test('TUF-01-003: a server without the snapshot key cannot replace the snapshot', async () => {
    const { world, gun } = await stage.repository()
    const { body } = await exchange(stage.server, { path: tufPath(gun, 'snapshot.json') })
    assert.deepEqual(body, world.files.get('snapshot'))
    // Not even an expired one: only the publisher can sign the next.
    stage.server.clock.now += 3 * 365 * DAY + 1
    const later = await exchange(stage.server, { path: tufPath(gun, 'snapshot.json') })
    assert.ok(later.status === 500 || later.body.equals(body))
    const forged = signedFile({ ...world.snapshot, version: 9 }, [makeKey('ed25519')])
    assert.equal(stage.server.running.trust.store.keys(parseGun(gun), 'snapshot').length, 0)
    assert.notDeepEqual(later.body, forged)
  })

  test('TUF-01-004: a repository name never becomes a path', async () => {
    const names = ['..', '../../../../tmp/reverse', 'a/../../b', './a', 'a\u0000b', 'C:\\x', 'a//b', '']
    for (const name of names) {
      assert.throws(() => parseGun(name), { code: 'INVALID_GUN' }, name)
      const path = `/v2/${encodeURIComponent(name)}/_trust/tuf/`
      const answer = await exchange(stage.server, { method: 'POST', path, body: 'x' })
      assert.ok(answer.status === 400 || answer.status === 404, `${name}: ${answer.status}`)
    }
    // Whatever the repositories are called, all files of the store are LevelDB's.
    await stage.repository('client', 'con/nul/aux.example/%2e%2e')
    for (const file of await filesOf(stage)) {
      assert.match(file, /^(CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(ldb|log))$/)
    }
  })
})

/** Returns the names of the files in the data directory, without the control socket. */
async function filesOf(stage: Stage): Promise<string[]> {
  const entries = await readdir(join(stage.server.directory, 'data'), { withFileTypes: true })
  return entries.filter((entry) => !entry.isSocket()).map(({ name }) => name)
}
