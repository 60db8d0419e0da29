import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { fileMeta, signedFile, timeText, type MetaPayload, type TargetsPayload } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { tufPath, type Part } from '../support/upload.ts'
import { ALL_ROLES, DAY, disbelieves, problemOf, replacing, SIGNED_ROLES, Stage, type Repository } from './stage.ts'

/** The attacks of the TUF specification, each on every role that it can target. */
let stage: Stage
before(async () => {
  stage = await Stage.open()
})
after(() => stage.close())

/** Signs the next version of these roles with a snapshot, or a snapshot alone. */
function next({ world }: Repository, role: string): Part[] {
  return role === 'snapshot' ? world.nextParts() : world.nextParts(role)
}

/** Matches the file that the client asks for: by name for root and timestamp, by hash for the others. */
function fileOf(role: string): RegExp {
  return role === 'root' || role === 'timestamp'
    ? new RegExp(`^${role}\\.json$`)
    : new RegExp(`^${role}\\.[0-9a-f]{64}`)
}

describe('arbitrary installation: metadata signed without the keys', () => {
  for (const role of SIGNED_ROLES) {
    test(`${role} signed by a stranger is refused`, async () => {
      const repository = await stage.repository()
      const stranger = role === 'root' ? makeRootKey(repository.gun, stage.server.clock.now) : makeKey('ecdsa')
      repository.world.signers.set(role, [stranger])
      await stage.refuses(repository, next(repository, role), problemOf(role))
    })
  }
  test("a stranger's timestamp is ignored: the server signs its own", async () => {
    const { world, client, gun } = await stage.repository()
    const payload: MetaPayload = { _type: 'Timestamp', expires: timeText(world.root.version), meta: {}, version: 99 }
    const forged = signedFile(payload, [makeKey('ed25519')])
    await world.send(stage.server, [...world.nextParts('targets'), { role: 'timestamp', bytes: forged }])
    const { body } = await exchange(stage.server, { path: tufPath(gun, 'timestamp.json') })
    assert.notDeepEqual(body, forged)
    assert.equal((await client.update()).versions['timestamp'], 4)
  })
  for (const role of ALL_ROLES) {
    test(`clients reject a mirror that serves another ${role}`, async () => {
      const { gun, fetch } = await stage.repository()
      const spoilt = (body: Buffer): Buffer => Buffer.from(body.toString('utf8').replace(/"version":\d/, '"version":7'))
      await disbelieves(stage.client(gun, replacing(fetch, fileOf(role), spoilt)), /threshold|sha256|bytes/)
    })
  }
})

describe('endless data', () => {
  for (const role of SIGNED_ROLES.filter((name) => name !== 'snapshot')) {
    test(`${role} over the size limit is refused`, async () => {
      const repository = await stage.repository()
      const parts = next(repository, role).map((part) =>
        part.role === role ? { role, bytes: Buffer.concat([part.bytes, Buffer.alloc(8 * 1024 * 1024, ' ')]) } : part,
      )
      await stage.refuses(repository, parts, 'MALFORMED_UPLOAD')
    })
  }
  for (const role of ['targets', 'snapshot', 'targets/releases']) {
    test(`clients stop reading endless ${role} from a mirror at the expected length`, async () => {
      const { gun, fetch } = await stage.repository()
      const endless = replacing(fetch, fileOf(role), (body) => Buffer.concat([body, Buffer.alloc(1_000_000, ' ')]))
      await disbelieves(stage.client(gun, endless), /bytes, more than/)
    })
  }
  test('a snapshot with a wrong file length is refused', async () => {
    const repository = await stage.repository()
    const { world } = repository
    world.signSnapshot()
    const meta = world.snapshot.meta['targets']
    assert.ok(meta)
    meta.length += 1_000_000
    await stage.refuses(repository, [{ role: 'snapshot', bytes: world.sign('snapshot') }], 'ErrBadSnapshot', /length/)
  })
  test('every answer has the length that its parent states', async () => {
    const { gun, world } = await stage.repository()
    for (const [role, { hashes, length }] of Object.entries(world.snapshot.meta)) {
      const sha256 = Buffer.from(hashes['sha256'] ?? '', 'base64').toString('hex')
      const { headers } = await exchange(stage.server, { path: tufPath(gun, `${role}.${sha256}.json`) })
      assert.equal(headers['content-length'], String(length))
    }
  })
})

describe('extraneous dependencies, wrong software: a name that leads to other content', () => {
  for (const role of ['targets', 'targets/releases']) {
    test(`${role} that names a target without a hash is refused`, async () => {
      const repository = await stage.repository()
      repository.world.addTarget('no-hash', role, { hashes: {}, length: 1 })
      await stage.refuses(repository, next(repository, role), 'ErrBadTargets', /hash/)
    })
  }
  test('a delegation that names a target outside its paths does not make it visible', async () => {
    const { world, client } = await stage.repository()
    world.delegate('targets/releases', world.signers.get('targets/releases') ?? [], { paths: ['inside/'] })
    world.addTarget('inside/a', 'targets/releases')
    world.addTarget('v1', 'targets/releases', fileMeta(Buffer.from('other software')))
    await world.publish(stage.server, 'targets', 'targets/releases')
    const { targets } = await client.update()
    assert.deepEqual(
      targets.map(({ role, name }) => `${role} ${name}`),
      ['targets v1', 'targets/releases inside/a'],
    )
  })
})

describe('fast-forward: a version too high to exceed', () => {
  for (const role of SIGNED_ROLES) {
    for (const version of [2 ** 31 - 1, 2 ** 31 - 2, 20]) {
      test(`${role} of version ${version} is refused, and the next version still succeeds`, async () => {
        const repository = await stage.repository()
        const { world } = repository
        const spoilt = world.fork()
        const payload = spoilt.payload(role)
        payload.version = role === 'snapshot' ? version - 1 : version
        await stage.refuses(repository, role === 'snapshot' ? spoilt.nextParts() : spoilt.parts(role), problemOf(role))
        await world.send(stage.server, next(repository, role))
        await repository.client.update()
      })
    }
  }
  test('a first delegation document of such a version is refused, because others may sign it, too', async () => {
    const repository = await stage.repository()
    const { world, client } = repository
    world.delegate('targets/both', [makeKey('ecdsa')])
    await world.publish(stage.server, 'targets')
    const payload = world.payload('targets/both')
    for (const version of [2 ** 31 - 2, 2 ** 30 + 1]) {
      payload.version = version
      await stage.refuses(repository, world.fork().parts('targets/both'), 'ErrBadTargets', /to begin with/)
    }
    payload.version = 2 ** 30
    await world.send(stage.server, world.parts('targets/both'))
    await world.publish(stage.server, 'targets/both')
    assert.equal((await client.update()).versions['targets/both'], 2 ** 30 + 1)
  })
  test('the timestamp version increases by one with each publish, whatever version is uploaded', async () => {
    const { world, client } = await stage.repository()
    const payload: MetaPayload = { ...world.snapshot, _type: 'Timestamp', version: 2 ** 31 - 2 }
    await world.send(stage.server, [
      ...world.nextParts('targets'),
      { role: 'timestamp', bytes: signedFile(payload, [makeKey('ed25519')]) },
    ])
    assert.equal((await client.update()).versions['timestamp'], 4)
  })
})

describe('indefinite freeze', () => {
  for (const role of SIGNED_ROLES) {
    test(`expired ${role} is refused`, async () => {
      const repository = await stage.repository()
      repository.world.payload(role).expires = timeText(stage.server.clock.now - 1)
      await stage.refuses(repository, next(repository, role), problemOf(role), /expired/)
    })
  }
  test("clients reject a mirror's timestamp after its expiry, and the server has a new one", async () => {
    const repository = await stage.repository()
    const frozen = await stage.recorded(repository)
    await repository.world.publish(stage.server, 'targets')
    await stage.client(repository.gun, frozen).update()
    stage.server.clock.now += 14 * DAY + 1
    await disbelieves(stage.client(repository.gun, frozen), /timestamp expired/)
    const view = await repository.client.update()
    assert.equal(view.versions['timestamp'], 5)
  })
  test('an expired snapshot of the server is renewed', async () => {
    const { client, world } = await stage.repository('server')
    world.root.expires = timeText(stage.server.clock.now + 3650 * DAY)
    world.targets.expires = world.root.expires
    await world.publish(stage.server, 'root', 'targets')
    stage.server.clock.now += 1095 * DAY + 1
    const { versions } = await client.update()
    assert.ok((versions['snapshot'] ?? 0) > 4)
  })
})

describe('malicious mirrors: a file named by its hash never changes', () => {
  for (const role of ALL_ROLES) {
    test(`${role} by hash and by version is unchanged after later publishes`, async () => {
      const { world, gun } = await stage.repository()
      const current = await exchange(stage.server, { path: tufPath(gun, `${role}.json`) })
      const sha256 = Buffer.from(fileMeta(current.body).hashes['sha256'] ?? '', 'base64').toString('hex')
      const { version } = (JSON.parse(current.body.toString('utf8')) as { signed: TargetsPayload }).signed
      await world.publish(stage.server, 'root', 'targets', 'targets/releases')
      await world.publish(stage.server, 'root', 'targets', 'targets/releases')
      for (const file of [`${role}.${sha256}.json`, `${version}.${role}.json`]) {
        const { status, body } = await exchange(stage.server, { path: tufPath(gun, file) })
        assert.equal(status, 200)
        assert.deepEqual(body, current.body)
      }
      const later = await exchange(stage.server, { path: tufPath(gun, `${role}.json`) })
      assert.notDeepEqual(later.body, current.body)
    })
    test(`a hash of ${role} is not found under another role or repository`, async () => {
      const { gun } = await stage.repository()
      const other = await stage.repository()
      const { body } = await exchange(stage.server, { path: tufPath(gun, `${role}.json`) })
      const sha256 = Buffer.from(fileMeta(body).hashes['sha256'] ?? '', 'base64').toString('hex')
      const wrong = ALL_ROLES.filter((name) => name !== role).map((name) => tufPath(gun, `${name}.${sha256}.json`))
      for (const path of [...wrong, tufPath(other.gun, `${role}.${sha256}.json`)]) {
        assert.equal((await exchange(stage.server, { path })).status, 404, path)
      }
    })
  }
})

describe('mix-and-match: files that were never current together', () => {
  for (const role of ['root', 'targets', 'targets/releases']) {
    test(`a snapshot with an older ${role} is refused`, async () => {
      const repository = await stage.repository()
      const { world } = repository
      const old = world.files.get(role) ?? Buffer.alloc(0)
      await world.publish(stage.server, role)
      world.files.set(role, old)
      await stage.refuses(repository, world.nextParts(), 'ErrBadSnapshot', /did not match/)
    })
    test(`clients reject a mirror that mixes an older ${role} into a newer set`, async () => {
      const repository = await stage.repository()
      const old = repository.world.files.get(role) ?? Buffer.alloc(0)
      await repository.world.publish(stage.server, role)
      const mixed = replacing(repository.fetch, fileOf(role), () => old)
      await disbelieves(stage.client(repository.gun, mixed), /root: |sha256|bytes/)
    })
  }
  test('readers during many publishes see only complete sets', async () => {
    const { world, gun } = await stage.repository()
    let publishing = true
    const reader = async (): Promise<number> => {
      let reads = 0
      for (; publishing; reads += 1) await stage.client(gun).update()
      return reads
    }
    const readers = Promise.all([reader(), reader()])
    try {
      for (let round = 0; round < 20; round += 1) await world.publish(stage.server, 'targets', 'targets/releases')
    } finally {
      publishing = false
    }
    assert.ok((await readers).every((reads) => reads > 0))
  })
})
