import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createSigner,
  findSigner,
  finishSignerRotation,
  removeSigner,
  rotateSigner,
} from '../../src/repository/signers/signers.ts'
import { SERVER } from '../../src/tuf/gun.ts'
import { localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { A, add, base64, drop, GUN, named, owned, withSigner } from '../support/owned-repository.ts'
import { makeKey } from '../support/test-key.ts'

const DAY = 86_400_000

test('a signer’s key is always ECDSA; for a taken name, or a signer that has a new key already, none is made', async (t) => {
  const here = await localTrustFor(t, Date.now())
  let made = 0
  const signer = {
    ...here.trust.signer,
    create: (...args: Parameters<typeof here.trust.signer.create>) => {
      made += 1
      return here.trust.signer.create(...args)
    },
  }
  const trust = { ...here.trust, signer }
  const key = await createSigner(trust, 'ci', TEST_ACTOR)
  assert.equal(key.keytype, 'ecdsa')
  await assert.rejects(createSigner(trust, 'ci', TEST_ACTOR), { code: 'WRONG_STATE' })
  assert.equal(made, 1)
  await rotateSigner(trust, 'ci', TEST_ACTOR)
  await assert.rejects(rotateSigner(trust, 'ci', TEST_ACTOR), { code: 'WRONG_STATE' })
  assert.equal(made, 2)
  // Of two concurrent requests one wins, and only its key is stored.
  const both = await Promise.allSettled([
    createSigner(trust, 'two', TEST_ACTOR),
    createSigner(trust, 'two', TEST_ACTOR),
  ])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  assert.equal(trust.store.keys(SERVER, 'targets/two').length, 1)
})

test('signer names must be ones that docker accepts; removing an unknown signer is NOT_FOUND', async (t) => {
  const { trust } = await localTrustFor(t, Date.now())
  for (const name of ['releases', '', 'A', 'a/b', '-a', 'a'.repeat(101)]) {
    await assert.rejects(createSigner(trust, name, TEST_ACTOR), { code: 'INVALID_PARAMETERS' }, name)
  }
  await assert.rejects(removeSigner(trust, 'nobody', TEST_ACTOR), { code: 'NOT_FOUND' })
})

test('a signer removed and created again has a new key and signs only with that', async (t) => {
  const world = await withSigner(t)
  const { trust } = world.here
  await removeSigner(trust, 'ci', TEST_ACTOR)
  const again = named(await createSigner(trust, 'ci', TEST_ACTOR))
  assert.notEqual(again.id, world.key.id)
  await assert.rejects(world.sign('v2', A), { code: 'WRONG_STATE' })
  await add(world, 'targets/ci', again)
  assert.deepEqual((await world.sign('v2', A)).roles, ['targets/ci'])
  assert.deepEqual((await world.here.check()).findings, [])
})

test('tags of a removed signer are left out of the next document, and named in the answer', async (t) => {
  const world = await owned(t)
  const { owner, send, sign, listed } = world
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.addTarget('bad', 'targets/releases')
  owner.addTarget('v2', 'targets/releases')
  await send(owner.nextParts('targets', 'targets/releases'))
  assert.equal((await listed()).targets.length, 3)
  // The owner replaces that key with ours, so clients no longer see these tags.
  await add(world, 'targets/releases', named(await createSigner(world.here.trust, 'ci', TEST_ACTOR)))
  assert.equal((await listed()).targets.length, 1)
  const [finding] = (await world.here.check()).findings
  assert.match(`${finding?.severity}: ${finding?.text}`, /^warning: clients skip targets\/releases: /)
  // A policy does not see what clients do not see.
  let seen: readonly string[] | undefined
  const { leftOut } = await sign('v2', A, { permit: (current) => (seen = current('v2')) })
  assert.deepEqual([leftOut, seen], [['bad'], []])
  assert.deepEqual((await listed()).targets.slice(1), [`targets/releases v2 ${base64(A)}`])
  assert.deepEqual((await sign('v3', A)).leftOut, [])
  assert.deepEqual((await world.here.check()).findings, [])
})

test('a tag to be removed is absent if no signing role had it, and is not named as left out', async (t) => {
  const world = await owned(t)
  const { owner, send, sign } = world
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  for (const tag of ['bad', 'v2']) owner.addTarget(tag, 'targets/releases')
  await send(owner.nextParts('targets', 'targets/releases'))
  const key = named(await createSigner(world.here.trust, 'ci', TEST_ACTOR))
  for (const role of ['targets/ci', 'targets/releases']) await add(world, role, key)
  const { absent, leftOut } = await sign('v3', A, { remove: ['bad', 'never-there'] })
  assert.deepEqual([absent, leftOut], [['never-there'], ['v2']])
})

test('of two rotations of a signer at the same moment, one is refused: it never has three keys', async (t) => {
  const { trust } = (await withSigner(t)).here
  const both = await Promise.allSettled([1, 2].map(() => rotateSigner(trust, 'ci', TEST_ACTOR)))
  const refused = both.flatMap((each) => (each.status === 'rejected' ? [(each.reason as Error).message] : []))
  const { keyIds } = findSigner(trust, 'ci')
  assert.deepEqual(refused, [`the signer ci already has a new key: ${keyIds[1]}`])
  assert.equal(keyIds.length, 2)
})

test('a signer’s new key re-signs what the old one signed until the rotation is finished', async (t) => {
  for (const finish of [false, true]) {
    const world = await withSigner(t)
    const { trust } = world.here
    await world.sign('v2', A)
    const { key: next } = await rotateSigner(trust, 'ci', TEST_ACTOR)
    if (finish) await finishSignerRotation(trust, 'ci', next.keyId, TEST_ACTOR)
    await add(world, 'targets/ci', named(next))
    await add(world, 'targets/releases', named(next))
    const { leftOut } = await world.sign('v3', A)
    const tags = (await world.listed()).targets.filter((line) => line.startsWith('targets/releases'))
    assert.deepEqual(leftOut, finish ? ['v2'] : [])
    assert.equal(tags.length, finish ? 1 : 2)
  }
})

test('signing the same tag again makes a new signature where clients would lose the old one, or soon will', async (t) => {
  const world = await withSigner(t)
  const { here, owner, sign, listed, key, payload } = world
  const { trust, clock } = here
  const signed = async (): Promise<[boolean, number, number]> => {
    const { changed } = await sign('v2', A)
    const { version } = payload('targets/releases')
    return [changed, version, (await listed()).targets.length]
  }
  assert.deepEqual(await signed(), [true, 1, 3])
  // The owner adds the new key beside the old one: what only the old one signed would be lost with it.
  const { keyIds } = await rotateSigner(trust, 'ci', TEST_ACTOR)
  const stored = trust.store.keys(SERVER, 'targets/ci').find(({ keyId }) => keyId === keyIds.at(-1))
  assert.ok(stored)
  const next = named(stored)
  for (const role of ['targets/ci', 'targets/releases']) owner.delegate(role, [key, next])
  owner.delegations.clear()
  await world.send(owner.nextParts('targets'))
  assert.deepEqual(await signed(), [true, 2, 3])
  assert.deepEqual(await signed(), [false, 2, 3])
  for (const role of ['targets/ci', 'targets/releases']) owner.delegate(role, [next])
  owner.delegations.clear()
  await world.send(owner.nextParts('targets'))
  assert.equal((await listed()).targets.length, 3)
  assert.deepEqual(await signed(), [false, 2, 3])
  // Re-signed after half its life, not before, and not by a call that names no tag.
  clock.now += 547 * DAY
  assert.equal((await sign('v2', A)).changed, false)
  clock.now += DAY
  assert.equal((await sign('v2', A, { set: [], remove: ['none'] })).changed, false)
  assert.equal((await sign('v2', A)).changed, true)
  assert.equal((await sign('v2', A)).changed, false)
  assert.deepEqual((await here.check()).findings, [])
})

test('the same tag is signed again when the owner removed the old key before adding the new one', async (t) => {
  const world = await withSigner(t)
  await world.sign('v2', A)
  const { keyIds } = await rotateSigner(world.here.trust, 'ci', TEST_ACTOR)
  const next = world.here.trust.store.keys(SERVER, 'targets/ci').find(({ keyId }) => keyId === keyIds.at(-1))
  assert.ok(next)
  await add(world, 'targets/ci', named(next))
  await add(world, 'targets/releases', named(next))
  assert.equal((await world.listed()).targets.length, 1)
  assert.equal((await world.sign('v2', A)).changed, true)
  assert.equal((await world.listed()).targets.length, 3)
})

test('a delegation removed and added again continues above its last version', async (t) => {
  const world = await withSigner(t)
  const { here, owner, send, sign, key, payload } = world
  await sign('v2', A)
  await sign('v3', A)
  // The owner takes over the snapshot and leaves the delegation out, then gives the snapshot back.
  owner.setKeys('snapshot', [makeKey('ecdsa')])
  owner.snapshot.version = here.trust.store.head(GUN)?.roles['snapshot']?.version ?? 0
  owner.targets.delegations.roles = []
  await send(owner.nextParts('root', 'targets'))
  assert.equal(here.trust.store.head(GUN)?.roles['targets/ci'], undefined)
  owner.nameServerKey('snapshot', await owner.serverKeys('snapshot', 'next'))
  await send(owner.nextParts('root', 'targets'))
  await add(world, 'targets/ci', key)
  await sign('v4', A)
  assert.deepEqual([payload('targets/ci').version, Object.keys(payload('targets/ci').targets)], [3, ['v4']])
  assert.deepEqual((await here.check()).findings, [])
})

test('a signer whom the owner removed from a role signs nothing there', async (t) => {
  const world = await withSigner(t)
  await world.sign('v2', A)
  await drop(world, 'targets/ci')
  assert.deepEqual((await world.sign('v3', A)).roles, ['targets/releases'])
  await drop(world, 'targets/releases')
  await assert.rejects(world.sign('v4', A), { code: 'WRONG_STATE', message: `${GUN} does not let ci sign this` })
  await add(world, 'targets/ci', world.key)
  await removeSigner(world.here.trust, 'ci', TEST_ACTOR)
  await assert.rejects(world.sign('v4', A), { code: 'NOT_FOUND', message: 'there is no signer ci' })
})
