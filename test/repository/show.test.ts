import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { remove } from '../../src/repository/remove.ts'
import { describe } from '../../src/repository/show.ts'
import type { Store } from '../../src/store/store.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { timeText } from '../support/metadata-file.ts'
import { GUN, owned } from '../support/owned-repository.ts'
import { makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')

const NAMES = Array.from({ length: 20 }, (_, index) => `targets/delegate-${index}`)

test('requests get their turn between any two documents of a repository with many delegations', async (t) => {
  const { here, owner, send } = await owned(t)
  for (const name of NAMES) owner.delegate(name, [makeKey('ecdsa')])
  await send(owner.nextParts('targets'))
  await send(owner.nextParts(...NAMES))
  let turns = 0
  const turn = (): void => {
    turns += 1
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  const described = await describe(here.trust, GUN, here.clock.now)
  clearImmediate(waiting)
  assert.deepEqual(
    described?.delegations.map(({ role, version }) => [role, version]),
    NAMES.map((name) => [name, 1]),
  )
  assert.ok(turns >= NAMES.length, `${turns} turns`)
})

test('a repository deleted while it is being described is reported as absent', async (t) => {
  const { here, owner, send } = await owned(t)
  for (const name of NAMES) owner.delegate(name, [makeKey('ecdsa')])
  await send(owner.nextParts('targets'))
  const { store } = here.trust
  const before = store.head(GUN)
  await remove(here.trust, GUN, TEST_ACTOR)
  const heads = [before]
  const late = { ...here.trust, store: { ...store, head: () => heads.pop() ?? store.head(GUN) } }
  assert.equal(await describe(late, GUN, here.clock.now), undefined)
})

test('the description says which keys the server cannot use, and why, even if what is stored of them is damaged', async (t) => {
  const { here } = await owned(t)
  const { store } = here.trust
  const damaged: Store = {
    ...store,
    keys: (gun, role, head) => (role === 'timestamp' ? unreadable() : store.keys(gun, role, head)),
  }
  const unreadable = (): never => {
    throw new TrustError('CORRUPT', 'the record is damaged')
  }
  const described = await describe({ store: damaged }, GUN, here.clock.now, undefined, async ({ role }) =>
    role === 'snapshot' ? 'it does not open' : undefined,
  )
  assert.deepEqual(
    described?.roles.map(({ role, keys }) => [role, keys.map(({ holder, unusable }) => [holder, unusable])]),
    [
      ['root', [['client', undefined]]],
      ['targets', [['client', undefined]]],
      ['snapshot', [['server', 'it does not open']]],
      ['timestamp', [['server', 'the record is damaged']]],
    ],
  )
  assert.deepEqual(
    described?.warnings.map((text) => text.replace(/[0-9a-f]{12}/, 'ID')),
    [
      'the server cannot use the snapshot key ID: it does not open',
      'the server cannot use the timestamp key ID: the record is damaged',
    ],
  )
})

test('the description says why clients do not see a tag that a delegation has signed', async (t) => {
  const { here, owner, send } = await owned(t)
  const [TWO, DEEP] = ['targets/two', 'targets/two/deep']
  const keys = [makeKey('ecdsa')]
  owner.delegate(TWO, keys)
  await send(owner.nextParts('targets'))
  owner.delegate(DEEP, [makeKey('ecdsa')], { paths: ['v'] })
  for (const name of ['v1', 'w1', 'w2']) owner.addTarget(name, TWO)
  owner.addTarget('v2', DEEP)
  await send(owner.nextParts(TWO, DEEP))
  const told = async (): Promise<readonly string[] | undefined> =>
    (await describe(here.trust, GUN, here.clock.now))?.warnings
  const unseen = async (): Promise<string[][] | undefined> =>
    (await describe(here.trust, GUN, here.clock.now))?.tags.flatMap(({ tag, unseen: why }) =>
      why === undefined ? [] : [[tag, why]],
    )
  assert.deepEqual([await told(), await unseen()], [[], []])
  owner.delegate(TWO, keys, { paths: ['v1'] })
  await send(owner.nextParts('targets'))
  assert.deepEqual(await told(), [
    `clients do not see 2 of the tags of ${TWO}: its paths do not allow them`,
    `clients do not see 1 of the tags of ${DEEP}: its paths do not allow them`,
  ])
  assert.deepEqual(await unseen(), [
    ['w1', `the paths of ${TWO} do not allow it`],
    ['w2', `the paths of ${TWO} do not allow it`],
    ['v2', `the paths of ${DEEP} do not allow it`],
  ])
  owner.delegate(TWO, [makeKey('ecdsa')])
  await send(owner.nextParts('targets'))
  const skipped = `clients skip ${TWO}: valid signatures did not meet threshold for ${TWO}`
  assert.deepEqual(await told(), [skipped])
  // Clients do not reach what is delegated below it.
  assert.deepEqual(
    await unseen(),
    ['v1', 'w1', 'w2', 'v2'].map((tag) => [tag, skipped]),
  )
  // So they do not notice damage there.
  const document: Store['document'] = (...of) => {
    if (of[1] === DEEP) throw new TrustError('CORRUPT', 'a stored record is damaged')
    return here.trust.store.document(...of)
  }
  const damaged = { ...here.trust, store: { ...here.trust.store, document } }
  assert.deepEqual((await describe(damaged, GUN, here.clock.now))?.warnings, [
    skipped,
    `${DEEP} is damaged: its own tags are not known (countersign check)`,
  ])
  // Nor do they accept an expired document, or what it delegates.
  owner.delegate(TWO, keys)
  await send(owner.nextParts('targets'))
  here.clock.now += 4 * 365 * 86_400_000
  const ended = (await unseen())?.map(([tag = '', why = '']) => `${tag}: ${why.replace(/at .*/, '')}`)
  assert.deepEqual([...new Set(ended)], [...['v1', 'w1', 'w2', 'v2'].map((tag) => `${tag}: targets expired `)])
})

test('no tag is seen once the snapshot has ended that its publisher must renew', async (t) => {
  const here = await localTrustFor(t, NOW)
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(here.trust, GUN) })
  owner.snapshot.expires = timeText(NOW + 86_400_000)
  await localPublish(here.trust, GUN, owner.parts('root', 'targets'))
  const unseen = async (now: number): Promise<unknown[]> =>
    (await describe(here.trust, GUN, now))?.tags.map(({ unseen: why }) => why) ?? []
  assert.deepEqual(await unseen(NOW), [undefined])
  assert.match(String(await unseen(NOW + 86_400_001)), /^snapshot expired at /)
})
