import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import type { TargetsPayload } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload, type Part } from '../support/upload.ts'
import { disbelieves, problemOf, SIGNED_ROLES, Stage, type Repository } from './stage.ts'

/** Two more attack classes of the TUF specification, on every role: rollback, and recovery from a stolen key. */
let stage: Stage
before(async () => {
  stage = await Stage.open()
})
after(() => stage.close())

describe('rollback', () => {
  for (const role of SIGNED_ROLES) {
    test(`${role} of an older version, newly signed, is refused`, async () => {
      const repository = await stage.repository()
      const { world } = repository
      world.payload(role).version -= role === 'snapshot' ? 2 : 1
      const parts = role === 'snapshot' ? world.parts() : world.parts(role)
      await stage.refuses(repository, parts, role === 'root' ? 'ErrBadRoot' : 'VERSION')
    })
    test(`${role} of the current version with other bytes is refused`, async () => {
      const repository = await stage.repository()
      const { world } = repository
      if (role === 'snapshot') world.snapshot.version -= 1
      await stage.refuses(repository, role === 'snapshot' ? world.parts() : world.parts(role), 'VERSION')
    })
  }
  test('every earlier upload of a history is refused when sent again', async () => {
    const repository = await stage.repository()
    const { world } = repository
    const history: Part[][] = []
    for (let round = 0; round < 10; round += 1) {
      const parts = world.nextParts(...(round % 3 === 0 ? ['root', 'targets'] : ['targets']))
      history.push(parts)
      await world.send(stage.server, parts)
    }
    for (const parts of history.slice(0, -1)) {
      const before = await stage.server.stateHash(repository.gun)
      assert.equal((await upload(stage.server, repository.gun, parts)).status, 400)
      assert.equal(await stage.server.stateHash(repository.gun), before)
    }
  })
  test('the last upload sent again succeeds and changes nothing', async () => {
    const { world, gun } = await stage.repository()
    const parts = world.nextParts('targets')
    await world.send(stage.server, parts)
    const before = await stage.server.stateHash(gun)
    await world.send(stage.server, parts)
    assert.equal(await stage.server.stateHash(gun), before)
  })
  for (const [what, stale, reason] of [
    ['an older timestamp', /^timestamp\.json$/, /timestamp: version 3 is lower than current version 4/],
    ['everything as it was', /./, /root: version 2 is lower than 3/],
  ] as const) {
    test(`a client that has seen more rejects a mirror that serves ${what}`, async () => {
      const repository = await stage.repository()
      const old = await stage.recorded(repository)
      await repository.world.publish(stage.server, 'root', 'targets')
      let mirrored = false
      const client = stage.client(repository.gun, (file) =>
        (mirrored && stale.test(file) ? old : repository.fetch)(file),
      )
      await client.update()
      mirrored = true
      await disbelieves(client, reason)
    })
  }
  test('a repository deleted and created again continues above all timestamp and snapshot versions ever seen', async () => {
    const { gun } = await stage.repository('server')
    const seen = await stage.client(gun).update()
    assert.equal((await exchange(stage.server, { method: 'DELETE', path: tufPath(gun) })).status, 200)
    const fresh = await TrustWorld.create({
      gun,
      now: stage.server.clock.now,
      serverKeys: keysFrom(stage.server, gun),
      snapshot: 'server',
    })
    await fresh.publishFirst(stage.server)
    const { versions } = await stage.client(gun).update()
    for (const role of ['timestamp', 'snapshot']) {
      assert.ok((versions[role] ?? 0) > (seen.versions[role] ?? 0), `${role} went back`)
    }
  })
  test('a snapshot may not lose a delegation that the targets in force delegate to', async () => {
    const repository = await stage.repository()
    const { world } = repository
    world.files.delete('targets/releases')
    await stage.refuses(repository, world.nextParts(), 'ErrBadSnapshot')
  })
})

/** Gives a role new keys, in root, in its parent, or by asking the server. @returns the roles to publish */
async function rotate({ world }: Repository, role: string): Promise<string[]> {
  if (role === 'root') {
    world.rotateRoot(stage.server.clock.now)
    return ['root']
  }
  if (role === 'timestamp') {
    world.nameServerKey('timestamp', await world.serverKeys('timestamp', 'next'))
    return ['root']
  }
  if (role.startsWith('targets/')) {
    world.delegate(role, [makeKey('ed25519')])
    return ['targets', role]
  }
  world.setKeys(role, [makeKey('ecdsa')])
  return role === 'targets' ? ['root', 'targets'] : ['root']
}

describe('recovery from a stolen key by rotation', () => {
  for (const role of SIGNED_ROLES) {
    test(`${role}: signatures by the old key are refused, and clients that know it follow`, async () => {
      const repository = await stage.repository()
      const { world, client } = repository
      const stolen = [...(world.signers.get(role) ?? [])]
      await world.publish(stage.server, ...(await rotate(repository, role)))
      await client.update()
      const thief = world.fork()
      thief.signers.set(role, stolen)
      // The thief has only the old root key, never the current certificate.
      if (role === 'root') thief.setKeys('root', [makeRootKey(repository.gun, stage.server.clock.now), ...stolen])
      await stage.refuses(repository, role === 'snapshot' ? thief.nextParts() : thief.nextParts(role), problemOf(role))
      if (role === 'root') world.signers.set('root', (world.signers.get('root') ?? []).slice(-1))
      await world.publish(stage.server, ...(role === 'snapshot' ? [] : [role]))
      await client.update()
    })
  }
  test('timestamp: the server signs with its new key, and clients that know the old one follow', async () => {
    const repository = await stage.repository()
    const { world, client } = repository
    const [old] = world.root.roles['timestamp']?.keyids ?? []
    await world.publish(stage.server, ...(await rotate(repository, 'timestamp')))
    assert.notEqual(world.root.roles['timestamp']?.keyids[0], old)
    assert.equal((await client.update()).versions['root'], 3)
    const { body } = await exchange(stage.server, { path: tufPath(repository.gun, 'timestamp.json') })
    const { signatures } = JSON.parse(body.toString('utf8')) as { signatures: { keyid: string }[] }
    assert.deepEqual(
      signatures.map(({ keyid }) => keyid),
      world.root.roles['timestamp']?.keyids,
    )
  })
  test('snapshot: the key moves from the publisher to the server and back', async () => {
    const { world, client } = await stage.repository()
    const own = world.signers.get('snapshot') ?? []
    world.nameServerKey('snapshot', await world.serverKeys('snapshot', 'next'))
    await world.publish(stage.server, 'root')
    const handed = await client.update()
    await world.publish(stage.server, 'targets')
    world.snapshot.version = handed.versions['snapshot'] ?? 0
    world.setKeys('snapshot', own)
    world.snapshot.version += 1
    await world.publish(stage.server, 'root')
    assert.equal((await client.update()).versions['snapshot'], world.snapshot.version)
  })
  test('a client many roots behind follows every one of them', async () => {
    const { world, client, gun } = await stage.repository()
    for (let round = 0; round < 6; round += 1) {
      world.rotateRoot(stage.server.clock.now)
      await world.publish(stage.server, 'root')
    }
    assert.equal((await client.update()).versions['root'], 8)
    for (let version = 1; version <= 8; version += 1) {
      const { status, body } = await exchange(stage.server, { path: tufPath(gun, `${version}.root.json`) })
      assert.equal(status, 200)
      assert.equal((JSON.parse(body.toString('utf8')) as { signed: TargetsPayload }).signed.version, version)
    }
  })
  test('a threshold of two withstands the theft of one key', async () => {
    const repository = await stage.repository()
    const { world, client } = repository
    const [one, two] = [makeKey('ecdsa'), makeKey('ecdsa')]
    world.setKeys('targets', [one, two], 2)
    await world.publish(stage.server, 'root', 'targets')
    const thief = world.fork()
    thief.signers.set('targets', [one])
    await stage.refuses(repository, thief.nextParts('targets'), 'ErrBadTargets', /threshold/)
    world.setKeys('targets', [two, makeKey('ecdsa')], 2)
    await world.publish(stage.server, 'root', 'targets')
    await client.update()
  })
  test('a threshold of two root keys withstands it, too: the old root sets how many must sign', async () => {
    const repository = await stage.repository()
    const { world, client, gun } = repository
    const { now } = stage.server.clock
    const [old = makeRootKey(gun, now)] = world.signers.get('root') ?? []
    const [one, two, three] = [makeRootKey(gun, now), makeRootKey(gun, now), makeRootKey(gun, now)]
    world.setKeys('root', [one, two], 2)
    world.signers.set('root', [old, one, two])
    await world.publish(stage.server, 'root')
    const thief = world.fork()
    thief.setKeys('root', [makeRootKey(gun, now)])
    thief.signers.set('root', [one, ...(thief.signers.get('root') ?? [])])
    await stage.refuses(repository, thief.nextParts('root'), 'ErrBadRoot', /could not rotate trust/)
    world.setKeys('root', [two, three], 2)
    world.signers.set('root', [one, two, three])
    await world.publish(stage.server, 'root')
    await client.update()
  })
})
