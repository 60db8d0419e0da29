import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { remove } from '../../src/repository/remove.ts'
import { importKey, type Imported } from '../../src/repository/import-key.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { renew } from '../../src/repository/renewal/renew.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { Head, Store } from '../../src/store/store.ts'
import { parseGun, type Gun } from '../../src/tuf/gun.ts'
import type { PublicKey } from '../../src/tuf/keys/key.ts'
import { localKeys, TEST_ACTOR } from '../support/local-trust.ts'
import { makeKey } from '../support/test-key.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import type { NewKey } from '../../src/signing/signer.ts'
import { TrustWorld } from '../support/trust-world.ts'
import {
  adoptOn,
  clientOf,
  DAY,
  GUN,
  importFor,
  importTimestampKey,
  made,
  move,
  NOW,
  publishOn,
  server,
  takeOver,
} from '../support/adoption.ts'

for (const order of ['before', 'after'] as const) {
  test(`a repository is signed here at once when the other server's key is imported ${order} adoption`, async (t) => {
    const here = await server(t)
    const { documents, timestampKey } = await made()
    if (order === 'before') await importTimestampKey(here, timestampKey)
    const adopted = await adoptOn(here, documents())
    assert.equal(adopted.signedHere, order === 'before')
    if (order === 'after') {
      assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
      await importTimestampKey(here, timestampKey)
    }
    const client = clientOf(here)
    assert.equal((await client.update()).versions['timestamp'], 1)
    assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
    assert.deepEqual((await client.update()).versions, { root: 1, timestamp: 2, snapshot: 1, targets: 1 })
    await assert.rejects(adoptOn(here, documents()), { code: 'WRONG_STATE' })
    assert.deepEqual((await here.check()).findings, [])
  })
}

test('the other server’s snapshot key alone does not make a repository signed here', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  const snapshot = makeKey('ed25519')
  owner.setKeys('snapshot', [snapshot])
  await adoptOn(here, documents())
  await importFor(here, 'snapshot', snapshot)
  assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
  await importTimestampKey(here, timestampKey)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
})

test('with only the other server’s timestamp key, publishers are told which key is missing and what to do', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  const snapshot = makeKey('ed25519')
  owner.setKeys('snapshot', [snapshot])
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  owner.addTarget('v2')
  const parts = owner.nextParts('targets').filter(({ role }) => role !== 'snapshot')
  await assert.rejects(publishOn(here, parts), {
    code: 'INVALID_UPDATE',
    problem: { name: 'ErrBadHierarchy', missing: 'snapshot' },
    message:
      'no snapshot was included in update and server does not hold current snapshot key for repository: ' +
      `${snapshot.id}; who has it can publish; or bring it here: countersign key import; ` +
      `or replace it: notary key rotate ${GUN} snapshot -r`,
  })
  await importFor(here, 'snapshot', snapshot)
  await publishOn(here, parts)
  assert.deepEqual((await here.check()).findings, [])
})

test('one of several timestamp keys is enough to renew; the next root names only this server’s key', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  owner.setKeys('timestamp', [timestampKey, makeKey('ed25519')])
  await importTimestampKey(here, timestampKey)
  assert.equal((await adoptOn(here, documents())).signedHere, true)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  const client = clientOf(here)
  await client.update()
  assert.equal(await takeOver({ here, owner }), 2)
  assert.deepEqual((await client.update()).versions, { root: 2, timestamp: 3, snapshot: 2, targets: 1 })
  assert.deepEqual((await here.check()).findings, [])
})

test('with only the other server’s snapshot key, every root made here names a timestamp key of this server', async (t) => {
  for (const prepare of [
    (trust: Trust, head: Head | undefined) => prepareRotation(trust, GUN, head, NOW, ['timestamp']),
    (trust: Trust, head: Head | undefined, certificates: PublicKey[]) =>
      prepareRotation(trust, GUN, head, NOW, [], { certificates, threshold: 1 }),
  ]) {
    const here = await server(t)
    const { owner, documents } = await made()
    const snapshot = makeKey('ed25519')
    owner.setKeys('snapshot', [snapshot])
    await importFor(here, 'snapshot', snapshot)
    assert.equal((await adoptOn(here, documents())).signedHere, false)
    const certificates = owner.root.roles['root']!.keyids.map((id): PublicKey => {
      const { keytype, keyval } = owner.root.keys[id]!
      return { keytype, public: keyval.public }
    })
    assert.equal(await takeOver({ here, owner }, ({ trust }, head) => prepare(trust, head, certificates)), 2)
    const { versions } = await clientOf(here).update()
    assert.deepEqual(versions, { root: 2, timestamp: 2, snapshot: 2, targets: 1 })
    assert.deepEqual((await here.check()).findings, [])
  }
})

test('a key held for another repository or role is not accepted as a key of this one', async (t) => {
  const other = parseGun('docker.io/acme/other')
  for (const [role, gun, as] of [
    ['timestamp', other, 'timestamp'],
    ['snapshot', other, 'snapshot'],
    ['timestamp', GUN, 'snapshot'],
    ['snapshot', GUN, 'timestamp'],
  ] as const) {
    const here = await server(t)
    const { owner, documents, timestampKey } = await made()
    const snapshotKey = makeKey('ed25519')
    owner.setKeys('snapshot', [snapshotKey])
    const { privateKey } = role === 'timestamp' ? timestampKey : snapshotKey
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    const sealed = (here.trust.signer as FileSigner).importKey(gun, as, pkcs8)
    await importKey(here.trust, gun, as, sealed, TEST_ACTOR)
    await assert.rejects(adoptOn(here, documents()), { code: 'INVALID_UPDATE', message: /another repository or role/ })
  }
})

test('a key is imported for one role of one repository, even when two imports race', async (t) => {
  const { trust } = await server(t)
  const pkcs8 = makeKey('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' })
  const other = parseGun('docker.io/acme/other')
  const take = (gun: Gun, role: 'timestamp' | 'snapshot', more: Partial<NewKey> = {}): Promise<Imported> => {
    // The import wipes the buffer it is given.
    const sealed = (trust.signer as FileSigner).importKey(gun, role, Buffer.from(pkcs8))
    return importKey(trust, gun, role, { ...sealed, ...more }, TEST_ACTOR)
  }
  await assert.rejects(take(GUN, 'timestamp', { keyId: 'f'.repeat(64) }), { code: 'INVALID_PARAMETERS' })
  const both = await Promise.allSettled([take(GUN, 'timestamp'), take(other, 'timestamp')])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await assert.rejects(take(other, 'timestamp'), { code: 'WRONG_STATE' })
  await assert.rejects(take(GUN, 'snapshot'), { code: 'WRONG_STATE' })
})

test('a key is not kept when the server cannot read whether the repository names it', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  const [targetsKey] = owner.signers.get('targets')!
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  const document: Store['document'] = () => {
    throw new TrustError('CORRUPT', 'a stored record is damaged')
  }
  const damaged = { ...here, trust: { ...here.trust, store: { ...here.trust.store, document } } }
  await assert.rejects(importFor(damaged, 'targets', targetsKey!), { code: 'CORRUPT' })
  assert.equal(here.trust.store.keyOwner(targetsKey!.id), undefined)
  assert.equal((await importFor(here, 'targets', targetsKey!)).named, 'key')
})

test('a deleted repository can be adopted again; server-made versions continue above those used before', async (t) => {
  const here = await server(t)
  const { documents, timestampKey } = await made()
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  for (let count = 0; count < 3; count += 1) {
    here.clock.now += 8 * DAY
    await renew(here.trust, GUN, 'due')
  }
  assert.equal(here.trust.store.head(GUN)!.roles['timestamp']!.version, 4)
  await remove(here.trust, GUN, TEST_ACTOR)
  here.clock.now = NOW + 24 * DAY
  await adoptOn(here, documents())
  await renew(here.trust, GUN, 'due')
  assert.equal(here.trust.store.head(GUN)!.roles['timestamp']!.version, 5)
  assert.deepEqual((await here.check()).findings, [])
})

test('after a delete and a second adoption, server-made snapshots continue above earlier ones', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  await importTimestampKey(here, timestampKey)
  await importFor(here, 'snapshot', owner.signers.get('snapshot')![0]!)
  const offered = documents()
  const publish = (): Promise<void> =>
    publishOn(
      here,
      owner.nextParts('targets').filter(({ role }) => role !== 'snapshot'),
    )
  for (const expected of [3, 5]) {
    await adoptOn(here, offered)
    await publish()
    await publish()
    assert.equal(here.trust.store.head(GUN)!.roles['snapshot']!.version, expected)
    await remove(here.trust, GUN, TEST_ACTOR)
  }
})

test('adoption after a takeover and a delete warns which clients cannot follow', async (t) => {
  const world = await move(t)
  const { here } = world
  assert.deepEqual((await world.adopt()).warnings, [])
  await takeOver(world)
  const client = clientOf(here)
  await client.update()
  await remove(here.trust, GUN, TEST_ACTOR)
  const { warnings } = await world.adopt()
  assert.match(warnings.join('; '), /root version 2 cached, which was deleted here, must forget/)
  await assert.rejects(client.update(), /root: version 1 is lower than 2/)
})

test('versions of an earlier life here do not block publishers of an adopted repository', async (t) => {
  const here = await server(t)
  const serverKeys = localKeys(here.trust, GUN)
  const earlier = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys, snapshot: 'server' })
  await publishOn(here, earlier.parts('root', 'targets'))
  for (let count = 0; count < 3; count += 1) {
    earlier.rotateRoot(NOW)
    await publishOn(here, earlier.nextParts('root', 'targets'))
  }
  await remove(here.trust, GUN, TEST_ACTOR)
  const { owner, documents, timestampKey } = await made()
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  owner.addTarget('v2')
  await publishOn(here, owner.nextParts('targets'))
  owner.rotateRoot(NOW)
  await publishOn(here, owner.nextParts('root'))
  const { versions } = await clientOf(here).update()
  assert.deepEqual(versions, { root: 2, timestamp: 6, snapshot: 3, targets: 2 })
  assert.deepEqual((await here.check()).findings, [])
})

test('adoption over a deleted life warns of different roots of the same version, not of identical ones', async (t) => {
  const here = await server(t)
  const early = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(here.trust, GUN) })
  await publishOn(here, early.parts('root', 'targets'))
  const client = clientOf(here)
  await client.update()
  await remove(here.trust, GUN, TEST_ACTOR)
  const { documents, nextRoot } = await made()
  nextRoot()
  const { warnings } = await adoptOn(here, documents())
  assert.match(warnings.join('; '), /root version 1 cached, which was deleted here, must forget/)
  await assert.rejects(client.update())

  const untouched = await server(t)
  const offered = documents()
  await adoptOn(untouched, offered)
  await remove(untouched.trust, GUN, TEST_ACTOR)
  assert.deepEqual((await adoptOn(untouched, offered)).warnings, [])
})

test('adoption over a deleted life succeeds although a journal entry of that life is damaged', async (t) => {
  const here = await server(t)
  const early = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(here.trust, GUN) })
  await publishOn(here, early.parts('root', 'targets'))
  await remove(here.trust, GUN, TEST_ACTOR)
  const journal: Store['journal'] = () => {
    throw new TrustError('CORRUPT', 'a stored record is damaged')
  }
  const damaged = { ...here, trust: { ...here.trust, store: { ...here.trust.store, journal } } }
  const { documents, nextRoot } = await made()
  nextRoot()
  assert.equal((await adoptOn(damaged, documents())).changed, true)
})
