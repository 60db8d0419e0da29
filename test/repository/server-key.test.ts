import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { currentRoot } from '../../src/repository/current.ts'
import { DecodedDocuments } from '../../src/repository/decoded.ts'
import { remove } from '../../src/repository/remove.ts'
import { currentKey, rotateKey } from '../../src/repository/server-key.ts'
import { describe } from '../../src/repository/show.ts'
import { signRole } from '../../src/repository/sign-role.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import type { PublicKey } from '../../src/tuf/keys/key.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const GUN = parseGun('example.org/keys')

const local = (t: TestContext): Promise<LocalTrust> => localTrustFor(t, NOW)

async function send({ trust }: LocalTrust, world: TrustWorld, ...roles: string[]): Promise<void> {
  await localPublish(trust, GUN, world.parts(...roles))
}

test('before the first publish every request gets the same pending key', async (t) => {
  const { trust } = await local(t)
  const asked = await Promise.all([
    ...Array.from({ length: 5 }, () => currentKey(trust, GUN, 'timestamp', TEST_ACTOR)),
    ...Array.from({ length: 5 }, () => rotateKey(trust, GUN, 'timestamp', TEST_ACTOR)),
  ])
  assert.equal(new Set(asked.map((key) => key.public)).size, 1)
  assert.equal(trust.store.keys(GUN, 'timestamp').length, 1)
  const snapshot = await currentKey(trust, GUN, 'snapshot', TEST_ACTOR)
  assert.notEqual(snapshot.public, asked[0]?.public)
})

for (const role of ['timestamp', 'snapshot'] as const) {
  test(`rotation of the ${role} key: POST returns a new key, GET the one in root, until a root names the new one`, async (t) => {
    const here = await local(t)
    const { trust } = here
    const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN), snapshot: 'server' })
    await send(here, world, 'root', 'targets')
    const first = await currentKey(trust, GUN, role, TEST_ACTOR)
    const next = await rotateKey(trust, GUN, role, TEST_ACTOR)
    assert.notEqual(next.public, first.public)
    assert.deepEqual(await rotateKey(trust, GUN, role, TEST_ACTOR), next)
    assert.deepEqual(await currentKey(trust, GUN, role, TEST_ACTOR), first)
    world.nameServerKey(role, { keytype: next.keytype, keyval: { private: null, public: next.public } })
    world.root.version += 1
    await send(here, world, 'root')
    assert.deepEqual(await currentKey(trust, GUN, role, TEST_ACTOR), next)
    const third = await rotateKey(trust, GUN, role, TEST_ACTOR)
    assert.equal(new Set([first, next, third].map((key: PublicKey) => key.public)).size, 3)
  })
}

test('GET offers a snapshot key where the client signs snapshots, and a fresh key after a delete', async (t) => {
  const here = await local(t)
  const { trust } = here
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN) })
  await send(here, world, 'root', 'targets')
  const offered = await currentKey(trust, GUN, 'snapshot', TEST_ACTOR)
  assert.deepEqual(await rotateKey(trust, GUN, 'snapshot', TEST_ACTOR), offered)
  const used = await currentKey(trust, GUN, 'timestamp', TEST_ACTOR)
  await remove(trust, GUN, TEST_ACTOR)
  assert.notEqual((await currentKey(trust, GUN, 'timestamp', TEST_ACTOR)).public, used.public)
  // The old root may be published again: its keys are still here.
  await send(here, world, 'root', 'targets')
  assert.deepEqual(await currentKey(trust, GUN, 'timestamp', TEST_ACTOR), used)
  assert.deepEqual((await here.check()).findings, [])
})

test('a delete between reading the head and its documents is not reported as damage', async (t) => {
  const here = await local(t)
  const { store } = here.trust
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(here.trust, GUN) })
  await send(here, world, 'root', 'targets')
  const before = store.head(GUN)
  await remove(here.trust, GUN, TEST_ACTOR)
  // As another thread sees it: the repository is deleted after the head was read.
  const late = (): Trust => {
    const heads = [before]
    return {
      ...here.trust,
      decoded: new DecodedDocuments(),
      store: { ...store, head: () => heads.pop() ?? store.head(GUN) },
    }
  }
  assert.ok(await currentKey(late(), GUN, 'timestamp', TEST_ACTOR))
  assert.equal(await describe(late(), GUN, NOW), undefined)
})

test('signing fails when the server holds fewer keys than the threshold', async (t) => {
  const here = await local(t)
  const { trust } = here
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN), snapshot: 'server' })
  await send(here, world, 'root', 'targets')
  const { snapshot, targets } = currentRoot(trust, GUN, trust.store.head(GUN))!.roles
  const all = { keys: new Map([...snapshot.keys, ...targets.keys]), threshold: 2 }
  const payload = { _type: 'Snapshot', expires: '2029-11-24T08:00:00Z', meta: {}, version: 2 }
  const few = { code: 'SIGNING_FAILED', message: /the server holds 1 of the snapshot keys .* too few$/ }
  await assert.rejects(signRole(trust, GUN, 'snapshot', all, payload), few)
})
