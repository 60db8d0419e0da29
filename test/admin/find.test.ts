import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findDigest } from '../../src/admin/find.ts'
import { showRepository } from '../../src/admin/repositories.ts'
import type { Sighting } from '../../src/admin/sightings.ts'
import { listTags } from '../../src/admin/tags.ts'
import { TrustError } from '../../src/errors.ts'
import { remove } from '../../src/repository/remove.ts'
import { signTags } from '../../src/repository/signers/sign-tags.ts'
import { journalKey } from '../../src/store/keyspace.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { A, add, B, base64, drop, GUN, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'
import { makeKey } from '../support/test-key.ts'
import { spoil } from '../support/test-store.ts'
import { TrustWorld } from '../support/trust-world.ts'

const HOUR = 3_600_000

test('signatures of a dropped delegation are past, with their first and last time', async (t) => {
  const world = await withSigner(t)
  const { here, key, sign } = world
  const start = here.clock.now
  const timeAfter = (hours: number): string => new Date(start + hours * HOUR).toISOString()
  const find = async (): Promise<{ now: string[]; before: (string | null)[][] }> => {
    const input = { digest: `sha256:${A}` }
    const place = worldOf(here)
    const { now, before } = await findDigest.run(place, input, TEST_ACTOR)
    return { now: now.map(({ role }) => role), before: before.map(({ role, since, until }) => [role, since, until]) }
  }
  here.clock.now = start + HOUR
  await sign('v2', A)
  const releases = ['targets/releases', timeAfter(1), timeAfter(2)]
  assert.deepEqual(await find(), { now: ['targets/ci', 'targets/releases'], before: [] })
  here.clock.now = start + 2 * HOUR
  await drop(world, 'targets/releases')
  assert.deepEqual(await find(), { now: ['targets/ci'], before: [releases] })
  here.clock.now = start + 3 * HOUR
  await drop(world, 'targets/ci')
  assert.deepEqual(await find(), { now: [], before: [['targets/ci', timeAfter(1), timeAfter(3)], releases] })
  // The server has kept its document: clients see it again.
  await add(world, 'targets/ci', key)
  assert.deepEqual(await find(), { now: ['targets/ci'], before: [releases] })
  assert.equal(here.trust.store.head(GUN)?.roles['targets/ci']?.version, 1)
  // Deleting the repository ends what was signed until then, and nothing for a second time.
  here.clock.now = start + 4 * HOUR
  await remove(here.trust, GUN, TEST_ACTOR)
  here.clock.now = start + 5 * HOUR
  assert.deepEqual(await find(), { now: [], before: [['targets/ci', timeAfter(1), timeAfter(4)], releases] })
})

test('a tag signed again after its owner dropped it is found twice, with another digest or none once', async (t) => {
  const start = Date.parse('2026-11-24T08:00:00.000Z')
  const here = await localTrustFor(t, start)
  const owner = await TrustWorld.create({ gun: GUN, now: start, serverKeys: localKeys(here.trust, GUN) })
  const key = makeKey('ecdsa')
  const [first, dropped, again] = [1, 2, 3].map((hours) => new Date(start + hours * HOUR).toISOString())
  owner.delegate('targets/releases', [key])
  owner.payload('targets/releases').version = 1
  for (const tag of ['v2', 'v3', 'v4']) {
    owner.addTarget(tag, 'targets/releases', { hashes: { sha256: base64(A) }, length: 7 })
  }
  here.clock.now = start + HOUR
  await localPublish(here.trust, GUN, owner.parts('root', 'targets', 'targets/releases'))
  // Like notary delegation remove: the snapshot no longer names the role.
  here.clock.now = start + 2 * HOUR
  owner.targets.delegations.roles = []
  owner.files.delete('targets/releases')
  await localPublish(here.trust, GUN, owner.nextParts('targets'))
  here.clock.now = start + 3 * HOUR
  owner.delegate('targets/releases', [key])
  owner.addTarget('v3', 'targets/releases', { hashes: { sha256: base64(B) }, length: 7 })
  delete owner.delegations.get('targets/releases')?.targets['v4']
  await localPublish(here.trust, GUN, owner.nextParts('targets', 'targets/releases'))
  here.clock.now = start + 4 * HOUR
  const said = ({ tag, by, since, until }: Sighting): unknown => [tag, by, since, until]
  const find = async (): Promise<unknown> => {
    const { now, before } = await findDigest.run(worldOf(here), { digest: `sha256:${A}` }, TEST_ACTOR)
    return [now.map(said), before.map(said)]
  }
  const { name } = TEST_ACTOR
  const past = ['v2', 'v3', 'v4'].map((tag) => [tag, name, first, dropped])
  assert.deepEqual(await find(), [[['v2', name, again, null]], past])
  owner.addTarget('v4', 'targets/releases', { hashes: { sha256: base64(A) }, length: 7 })
  await localPublish(here.trust, GUN, owner.nextParts('targets/releases'))
  const later = new Date(here.clock.now).toISOString()
  assert.deepEqual(await find(), [
    [
      ['v2', name, again, null],
      ['v4', name, later, null],
    ],
    past,
  ])
})

test('with a delegation, those below it end and return, and those beside it do not', async (t) => {
  const start = Date.parse('2026-11-24T08:00:00.000Z')
  const here = await localTrustFor(t, start)
  const owner = await TrustWorld.create({ gun: GUN, now: start, serverKeys: localKeys(here.trust, GUN) })
  const roles = ['targets/a', 'targets/a/b', 'targets/ab']
  for (const role of roles) {
    owner.delegate(role, [makeKey('ecdsa')])
    owner.payload(role).version = 1
    owner.addTarget('v2', role, { hashes: { sha256: base64(A) }, length: 7 })
  }
  // Not to be taken for the one below.
  owner.addTarget('b/v2', 'targets/a', { hashes: { sha256: base64(A) }, length: 7 })
  await localPublish(here.trust, GUN, owner.parts('root', 'targets', ...roles))
  const find = async (): Promise<unknown> => {
    const { now, before } = await findDigest.run(worldOf(here), { digest: `sha256:${A}` }, TEST_ACTOR)
    return [now.map(({ role }) => role), before.map(({ role, until }) => `${role} ${until}`)]
  }
  const hour = (hours: number): string => new Date(start + hours * HOUR).toISOString()
  const { delegations } = owner.targets
  const all = [...delegations.roles]
  here.clock.now = start + HOUR
  delegations.roles = all.filter(({ name }) => name !== 'targets/a')
  await localPublish(here.trust, GUN, owner.nextParts('targets'))
  here.clock.now = start + 2 * HOUR
  const dropped = Array<string>(2).fill(`targets/a ${hour(1)}`)
  assert.deepEqual(await find(), [['targets/ab'], [...dropped, `targets/a/b ${hour(1)}`]])
  delegations.roles = all.filter(({ name }) => name !== 'targets/ab')
  await localPublish(here.trust, GUN, owner.nextParts('targets'))
  here.clock.now = start + 3 * HOUR
  assert.deepEqual(await find(), [['targets/a', 'targets/a', 'targets/a/b'], [`targets/ab ${hour(2)}`]])
  delegations.roles = all.filter(({ name }) => name === 'targets/ab')
  await localPublish(here.trust, GUN, owner.nextParts('targets'))
  here.clock.now = start + 4 * HOUR
  delegations.roles = all
  owner.delegations.get('targets/a')!.delegations.roles = []
  await localPublish(here.trust, GUN, owner.nextParts('targets', 'targets/a'))
  here.clock.now = start + 5 * HOUR
  assert.deepEqual(await find(), [['targets/a', 'targets/a', 'targets/ab'], [`targets/a/b ${hour(3)}`]])
})

test('a digest with many tags is found with one read of each document', async (t) => {
  const { here } = await withSigner(t)
  const tags = Array.from({ length: 200 }, (_, index) => `v${index}`)
  const set = tags.map((tag) => ({ tag, sha256: A, length: 7 }))
  await signTags(here.trust, GUN, { set, remove: [], as: 'ci' }, TEST_ACTOR)
  const read = t.mock.method(here.trust.store, 'document')
  const { now } = await findDigest.run(worldOf(here), { digest: `sha256:${A}` }, TEST_ACTOR)
  assert.equal(now.length, 2 * tags.length, 'of targets/ci and targets/releases')
  assert.ok(read.mock.callCount() < 10, `${read.mock.callCount()} documents were read`)
})

test('a digest with more tags than a call may have arguments is found', async (t) => {
  const world = await withSigner(t)
  const { here, key } = world
  await add(world, 'targets/more', key)
  const set = Array.from({ length: 45_000 }, (_, index) => ({ tag: `${index}`, sha256: A, length: 7 }))
  await signTags(here.trust, GUN, { set, remove: [], as: 'ci' }, TEST_ACTOR)
  const find = async (): Promise<number[]> => {
    const place = worldOf(here)
    const { now, before } = await findDigest.run(place, { digest: `sha256:${A}` }, TEST_ACTOR)
    return [now.length, before.length]
  }
  assert.deepEqual(await find(), [3 * set.length, 0], 'of three delegations')
})

test('a signature that ended after the journal was read is past, until now', async (t) => {
  const { here, sign } = await withSigner(t)
  const { trust } = here
  await sign('v2', A)
  const { number } = trust.store.tail()
  here.clock.now += HOUR
  await sign('v2', A, { set: [], remove: ['v2'] })
  const journal: typeof trust.store.journal = (query) =>
    [...trust.store.journal(query)].filter((entry) => entry.number <= number).values()
  const place = worldOf({ trust: { ...trust, store: { ...trust.store, journal } } })
  const { now, before } = await findDigest.run(place, { digest: `sha256:${A}` }, TEST_ACTOR)
  assert.deepEqual(now, [])
  const ended = new Date(here.clock.now).toISOString()
  assert.deepEqual(
    before.map(({ until }) => until),
    [ended, ended],
  )
})

test('a damaged journal entry hides only its own changes, and is named', async (t) => {
  const { here, sign } = await withSigner(t)
  await sign('v2', A)
  const damaged = here.trust.store.tail().number
  await sign('v3', A)
  await spoil(here, journalKey(damaged))
  const found = await findDigest.run(worldOf(here), { digest: `sha256:${A}` }, TEST_ACTOR)
  assert.deepEqual(new Set(found.now.map(({ tag }) => tag)), new Set(['v3']))
  assert.deepEqual(found.warnings, [`journal entry ${damaged} is damaged: what it records is missing here`])
})

test('a damaged delegation hides no tags of the others in any list', async (t) => {
  const { here, sign } = await withSigner(t)
  const { trust } = here
  await sign('v2', A)
  const document: typeof trust.store.document = (...of) => {
    if (of[1] === 'targets/ci') throw new TrustError('CORRUPT', 'a stored record is damaged')
    return trust.store.document(...of)
  }
  const place = worldOf({ trust: { ...trust, store: { ...trust.store, document } } })
  const why = 'targets/ci is damaged: clients refuse the repository, its own tags are not known (countersign check)'
  const { now } = await findDigest.run(place, { digest: `sha256:${A}` }, TEST_ACTOR)
  assert.deepEqual(
    now.map(({ role, damaged, unseen }) => [role, damaged, unseen]),
    [
      ['targets/ci', 'a stored record is damaged', undefined],
      ['targets/releases', undefined, why],
    ],
  )
  const { tags } = await listTags.run(place, { gun: GUN }, TEST_ACTOR)
  assert.deepEqual(
    tags.map(({ tag, role, unseen }) => [tag, role, unseen]),
    [
      ['v1', 'targets', why],
      ['v2', 'targets/releases', why],
    ],
  )
  await assert.rejects(listTags.run(place, { gun: GUN, as: 'ci' }, TEST_ACTOR), { code: 'CORRUPT' })
  assert.deepEqual((await showRepository.run(place, { gun: GUN }, TEST_ACTOR)).warnings, [why])
})
