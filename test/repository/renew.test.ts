import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { TrustError } from '../../src/errors.ts'
import { importKey } from '../../src/repository/import-key.ts'
import { readCurrent } from '../../src/repository/read.ts'
import { renewDue, startRenewing } from '../../src/repository/renewal/loop.ts'
import { remove } from '../../src/repository/remove.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import type { Due } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { alteredSigner } from '../support/altered-signer.ts'
import {
  localKeys,
  localPublish,
  localTrustFor,
  openLocalTrust,
  TEST_ACTOR,
  type LocalTrust,
} from '../support/local-trust.ts'
import { timeText } from '../support/metadata-file.ts'
import { TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const DAY = 86_400_000

const local = (t: TestContext): Promise<LocalTrust> => localTrustFor(t, NOW)

async function published(
  { trust }: LocalTrust,
  name: string,
  snapshot: 'client' | 'server' = 'server',
  change: (world: TrustWorld) => void = () => undefined,
): Promise<TrustWorld> {
  const world = await TrustWorld.create({ gun: name, now: NOW, serverKeys: localKeys(trust, name), snapshot })
  change(world)
  await send(trust, world, 'root', 'targets')
  return world
}

async function send(trust: LocalTrust['trust'], world: TrustWorld, ...roles: string[]): Promise<void> {
  await localPublish(trust, parseGun(world.gun), world.parts(...roles))
}

/** The expected versions when only the timestamp has been renewed. */
const kept = (timestamp: number): Record<string, number> => ({ root: 1, targets: 1, snapshot: 1, timestamp })

/** The token that holds snapshot keys is away. */
function withoutToken(trust: Trust): Trust {
  const sign: Trust['signer']['sign'] = async (owner, ...rest) => {
    if (owner.role !== 'snapshot') return trust.signer.sign(owner, ...rest)
    throw new TrustError('SIGNER_UNAVAILABLE', 'the token is away')
  }
  return { ...trust, signer: { ...trust.signer, sign } }
}

/** The records of snapshot keys are damaged. */
function withoutRecord(trust: Trust): Trust {
  const keys: Trust['store']['keys'] = (gun, role, head) => {
    if (role !== 'snapshot') return trust.store.keys(gun, role, head)
    throw new TrustError('CORRUPT', `the record "keys ${gun} snapshot" is damaged`)
  }
  return { ...trust, store: { ...trust.store, keys } }
}

const versions = ({ trust }: LocalTrust, name: string): Record<string, number> =>
  Object.fromEntries(
    Object.entries(trust.store.head(parseGun(name))?.roles ?? {}).map(([role, { version }]) => [role, version]),
  )

test('a timestamp is renewed at half its life; documents signed by clients are left alone', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/a')
  here.clock.now = NOW + 7 * DAY - 1
  assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
  here.clock.now = NOW + 7 * DAY
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  assert.deepEqual(versions(here, 'example.org/a'), { root: 1, targets: 1, snapshot: 1, timestamp: 2 })
  assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
  assert.deepEqual((await here.check()).findings, [])
})

test('repositories made together do not come due together: the time differs by up to a tenth', async (t) => {
  const here = await local(t)
  const due: number[] = []
  for (const random of [0, 1]) {
    const gun = `example.org/${random}`
    await published({ ...here, trust: { ...here.trust, random: () => random } }, gun)
    due.push(here.trust.store.head(parseGun(gun))?.renewAt ?? 0)
  }
  assert.deepEqual(due, [NOW + 6.3 * DAY, NOW + 7.7 * DAY])
})

test('a hundred repositories due at once are all renewed', async (t) => {
  const here = await local(t)
  for (let number = 0; number < 100; number += 1) await published(here, `example.org/${number}`)
  here.clock.now += 8 * DAY
  assert.deepEqual(await renewDue(here.trust), { renewed: 100, failed: 0 })
  assert.deepEqual((await here.check()).findings, [])
})

test('a server-made snapshot is renewed after half its life, a client’s is not', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/server', 'server')
  await published(here, 'example.org/client', 'client', (world) => {
    world.snapshot.expires = timeText(NOW + 1095 * DAY)
  })
  here.clock.now += 600 * DAY
  assert.deepEqual(await renewDue(here.trust), { renewed: 2, failed: 0 })
  assert.equal(versions(here, 'example.org/server')['snapshot'], 2)
  assert.equal(versions(here, 'example.org/client')['snapshot'], 1)
  assert.deepEqual((await here.check()).findings, [])
})

test('targets whose key is here are not renewed when the owner signs the snapshot, which would have to name them', async (t) => {
  const here = await local(t)
  const { trust } = here
  const gun = parseGun('example.org/a')
  const world = await published(here, gun, 'client', ({ snapshot }) => {
    snapshot.expires = timeText(NOW + 1095 * DAY)
  })
  const pkcs8 = world.signers.get('targets')![0]!.privateKey.export({ type: 'pkcs8', format: 'der' })
  const key = (trust.signer as FileSigner).importKey(gun, 'targets', pkcs8)
  assert.equal((await importKey(trust, gun, 'targets', key, TEST_ACTOR)).named, 'key')
  const errors: string[] = []
  const log = { ...trust.log, error: (_: object, text: string) => void errors.push(text) }
  here.clock.now += 600 * DAY
  assert.deepEqual(await renewDue({ ...trust, log }), { renewed: 1, failed: 0 })
  assert.deepEqual([versions(here, gun), errors], [kept(2), []])
  assert.deepEqual((await here.check()).findings, [])
})

for (const [what, broken] of [
  ['its token is away', withoutToken],
  ['its record is damaged', withoutRecord],
] as const) {
  test(`an unusable snapshot key does not hold up timestamps until the snapshot has expired: ${what}`, async (t) => {
    const here = await local(t)
    const gun = parseGun('example.org/a')
    await published(here, gun)
    const errors: string[] = []
    const log = { ...here.trust.log, error: (_: object, text: string) => void errors.push(text) }
    const trust = { ...broken(here.trust), log }
    here.clock.now += 600 * DAY
    assert.deepEqual(await renewDue(trust), { renewed: 1, failed: 0 })
    assert.deepEqual([versions(here, gun), errors.splice(0)], [kept(2), ['renewal of the snapshot failed']])
    // A read that finds the timestamp expired renews it in the same way.
    here.clock.now += 15 * DAY
    assert.equal((await readCurrent(trust, gun, 'timestamp'))?.version, 3)
    assert.deepEqual(versions(here, gun), kept(3))
    here.clock.now += 8 * DAY
    assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
    assert.deepEqual(versions(here, gun), { ...kept(4), snapshot: 2 })
    assert.deepEqual((await here.check()).findings, [])
    here.clock.now += 1096 * DAY
    assert.deepEqual(await renewDue(trust), { renewed: 0, failed: 1 })
    assert.deepEqual(errors, ['renewal failed'])
    await assert.rejects(readCurrent(trust, gun, 'timestamp'), { name: 'TrustError' })
  })
}

test('the first read re-signs a snapshot that has expired under a valid timestamp', async (t) => {
  const here = await local(t)
  const gun = parseGun('example.org/a')
  await published(here, gun)
  here.clock.now += 1094 * DAY
  assert.deepEqual(await renewDue(withoutToken(here.trust)), { renewed: 1, failed: 0 })
  here.clock.now += 2 * DAY
  assert.equal((await readCurrent(here.trust, gun, 'timestamp'))?.version, 3)
  assert.deepEqual(versions(here, gun), { ...kept(3), snapshot: 2 })
})

test('no timestamp expires in a year without a single read', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/a')
  for (let day = 0; day < 365; day += 1) {
    here.clock.now += DAY
    await renewDue(here.trust)
    const expires = here.trust.store.head(parseGun('example.org/a'))?.roles['timestamp']?.expires ?? 0
    assert.ok(expires > here.clock.now + 6 * DAY)
  }
})

test('of many concurrent reads of an expired timestamp, one re-signs it', async (t) => {
  const here = await local(t)
  const gun = parseGun('example.org/a')
  await published(here, gun)
  here.clock.now += 15 * DAY
  const reads = await Promise.all(
    Array.from({ length: 10 }, (_, index) => readCurrent(here.trust, gun, index % 2 === 0 ? 'timestamp' : 'snapshot')),
  )
  assert.equal(versions(here, gun)['timestamp'], 2)
  assert.deepEqual(new Set(reads.map((document) => document?.version)), new Set([2, 1]))
})

test('a repository whose root has expired holds up no other, and is never served expired', async (t) => {
  const here = await local(t)
  const dying = await published(here, 'example.org/dying', 'server', (world) => {
    world.root.expires = timeText(NOW + DAY)
  })
  await published(here, 'example.org/living')
  here.clock.now += 8 * DAY
  assert.deepEqual(await renewDue(here.trust, new Map()), { renewed: 1, failed: 1 })
  // Still valid, so it is served unchanged.
  assert.equal((await readCurrent(here.trust, parseGun(dying.gun), 'timestamp'))?.version, 1)
  here.clock.now += 8 * DAY
  await assert.rejects(readCurrent(here.trust, parseGun(dying.gun), 'timestamp'), { code: 'SIGNING_FAILED' })
})

test('when nothing can be signed, a round looks at each due repository once', async (t) => {
  const here = await local(t)
  const names = Array.from({ length: 150 }, (_, index) => `locked/r${index}`)
  for (const name of names) await published(here, name)
  here.clock.now += 10 * DAY
  const sign = async (): Promise<never> => Promise.reject(new TrustError('SIGNING_FAILED', 'the token is locked'))
  const { signer, store } = here.trust
  let looked = 0
  const due: typeof store.due = async (...query) => {
    const found = await store.due(...query)
    looked += found.length
    return found
  }
  const trust = { ...here.trust, signer: alteredSigner(signer, { sign }), store: { ...store, due } }
  assert.deepEqual(await renewDue(trust), { renewed: 0, failed: names.length })
  assert.equal(looked, names.length)
})

test('what failed while the clock was ahead is tried again soon after the clock is set back', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/a')
  const postponed = new Map()
  const sign = t.mock.method(here.trust.signer, 'sign', async () => {
    throw new TrustError('SIGNER_UNAVAILABLE', 'the token is away')
  })
  here.clock.now = NOW + 365 * DAY
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 0, failed: 1 })
  sign.mock.restore()
  here.clock.now = NOW + 8 * DAY
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 1, failed: 0 })
})

test('after the root has expired, the failed renewal is reported daily, not every ten minutes for years', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/a')
  const postponed = new Map()
  here.clock.now = NOW + 3651 * DAY
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 0, failed: 1 })
  here.clock.now += DAY - 1
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 0, failed: 0 })
  here.clock.now += 1
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 0, failed: 1 })
  // The clock was wrong.
  here.clock.now = NOW + 8 * DAY
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 1, failed: 0 })
})

test('while nothing can be written, a round gives up early and does not retry everything that is due', async (t) => {
  let full = false
  const here = await openLocalTrust(NOW, () => {
    if (full) throw new Error('no space left on device')
  })
  t.after(() => here.close())
  for (let number = 0; number < 100; number += 1) await published(here, `example.org/${number}`)
  const postponed = new Map()
  here.clock.now += 8 * DAY
  full = true
  const { failed } = await renewDue(here.trust, postponed)
  assert.ok(failed > 0 && failed <= 64, String(failed))
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 0, failed: 0 })
  full = false
  await until('the store to be writable', () => here.trust.store.readiness().writable)
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: 100 - failed, failed: 0 })
  here.clock.now += 11 * 60_000
  assert.deepEqual(await renewDue(here.trust, postponed), { renewed: failed, failed: 0 })
})

test('the loop renews on its own and stops when told', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/a')
  here.clock.now += 8 * DAY
  let done: (counts: { renewed: number }) => void = () => undefined
  const first = new Promise<{ renewed: number }>((resolve) => {
    done = resolve
  })
  const renewing = startRenewing(here.trust, 10, done)
  assert.equal((await first).renewed, 1)
  await renewing.stop()
})

test('nothing is renewed after a delete; a new life continues timestamp and snapshot versions', async (t) => {
  const here = await local(t)
  const gun = parseGun('example.org/a')
  const world = await published(here, gun)
  for (let round = 0; round < 3; round += 1) {
    world.addTarget(`t${round}`)
    world.targets.version += 1
    await send(here.trust, world, 'targets')
  }
  assert.deepEqual(versions(here, gun), { root: 1, targets: 4, snapshot: 4, timestamp: 4 })
  assert.equal(await remove(here.trust, gun, TEST_ACTOR), true)
  assert.equal(await remove(here.trust, gun, TEST_ACTOR), false)
  here.clock.now += 8 * DAY
  assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
  await published(here, gun)
  assert.deepEqual(versions(here, gun), { root: 1, targets: 1, snapshot: 5, timestamp: 5 })
  assert.deepEqual((await here.check()).findings, [])
})

test('an entry of the due index without a repository holds nothing up', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/due')
  const leftOver = [{ gun: parseGun('example.org/gone'), renewAt: 0 }]
  const store = {
    ...here.trust.store,
    due: async (_: number, __: number, after?: Due) => (after === undefined ? leftOver : []),
  }
  assert.deepEqual(await renewDue({ ...here.trust, store }), { renewed: 0, failed: 0 })
})

test('a hundred concurrent reads of an expired timestamp sign it once, and all get it', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/read')
  here.clock.now += 15 * DAY
  const signed = t.mock.method(here.trust.signer, 'sign')
  const gun = parseGun('example.org/read')
  const read = await Promise.all(Array.from({ length: 100 }, () => readCurrent(here.trust, gun, 'timestamp')))
  assert.deepEqual(new Set(read.map((each) => each?.version)), new Set([2]))
  assert.equal(signed.mock.callCount(), 1)
  here.clock.now += 15 * DAY
  assert.equal((await readCurrent(here.trust, gun, 'timestamp'))?.version, 3)
})

test('reads of expired metadata that only its owner can sign wait for no writer', async (t) => {
  const here = await local(t)
  await published(here, 'example.org/client', 'client', (world) => {
    world.snapshot.expires = timeText(NOW + DAY)
  })
  here.clock.now += 2 * DAY
  const gun = parseGun('example.org/client')
  const held = Promise.withResolvers<void>()
  const publishing = here.trust.turns.take(gun, () => held.promise)
  for (const role of ['timestamp', 'snapshot'] as const) {
    const reads = Promise.all(Array.from({ length: 100 }, () => readCurrent(here.trust, gun, role)))
    const read = await Promise.race([reads, pause(30_000, [], { ref: false })])
    assert.deepEqual(new Set(read.map((each) => each?.version)), new Set([1]), role)
  }
  held.resolve()
  await publishing
})
