import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { prepareFirstRoot, prepareRotation } from '../../src/repository/roots/prepare.ts'
import { publishStagedRoot } from '../../src/repository/roots/publish.ts'
import { stageAgedKeys } from '../../src/repository/roots/rotation-policy.ts'
import { signStagedRoot, stageRoot } from '../../src/repository/roots/stage.ts'
import { describeStagedRoot, stagedRoot } from '../../src/repository/roots/staged.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey, signAsRoot } from '../../src/signing/root-key.ts'
import { canonicalBytes } from '../../src/tuf/json/canonical.ts'
import { parseGun, type Gun } from '../../src/tuf/gun.ts'
import { alteredSigner } from '../support/altered-signer.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const DAY = 86_400_000
const AGE = 90 * DAY
const rootKey = makeRootKey()

async function sign({ trust }: LocalTrust, gun: Gun): Promise<number> {
  const { payload, former, own } = describeStagedRoot(trust, gun, trust.now())
  const ids = new Set([...(former?.keys ?? []), ...own.keys].map(({ id }) => id))
  const { sig } = signAsRoot(rootKey, canonicalBytes(payload))
  const signatures = [...ids].map((keyid) => ({ keyid, method: 'ecdsa', sig }))
  await signStagedRoot(trust, gun, signatures, TEST_ACTOR)
  return publishStagedRoot(trust, gun, TEST_ACTOR)
}

async function create(local: LocalTrust, name: string): Promise<Gun> {
  const gun = parseGun(name)
  const authority = { certificates: [await issueRootCertificate(rootKey, name, local.clock.now)], threshold: 1 }
  await stageRoot(local.trust, gun, TEST_ACTOR, 'a test', (head, now) =>
    prepareFirstRoot(local.trust, gun, head, now, authority),
  )
  await sign(local, gun)
  return gun
}

test('a root that replaces aged keys is staged once; publishing it restarts their age', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust, clock } = local
  const gun = await create(local, 'example.org/aged')
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 0, failed: 0 })
  clock.now = NOW + AGE
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 1, failed: 0 })
  const { reason, by, version } = describeStagedRoot(trust, gun, clock.now)
  assert.deepEqual([reason, by, version], ['by age: new keys of timestamp, snapshot and targets', 'server', 2])
  // Further rounds leave the staged root as it is.
  const before = stagedRoot(trust, gun)
  clock.now += DAY
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 0, failed: 0 })
  assert.deepEqual(stagedRoot(trust, gun), before)
  assert.equal(await sign(local, gun), 2)
  // Their age counts from when the keys were made, a day before they came into use.
  clock.now = NOW + 2 * AGE - 1
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 0, failed: 0 })
  clock.now += 1
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 1, failed: 0 })
  // Nothing renews timestamps in this test, so expired ones are the only findings.
  assert.ok(
    (await local.check()).findings.every(
      ({ severity, text }) => severity === 'warning' && text.startsWith('timestamp'),
    ),
  )
})

test('once the root certificates have ended, no next root and no key is made, and nothing is logged as failed', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust, clock } = local
  const gun = await create(local, 'example.org/dead')
  clock.now = NOW + 3653 * DAY
  const made: string[] = []
  const counting = {
    ...trust,
    signer: alteredSigner(trust.signer, {
      create: async (_, role) => {
        made.push(role)
        throw new Error('no key is needed')
      },
    }),
  }
  assert.deepEqual(await stageAgedKeys(counting, AGE), { staged: 0, failed: 0 })
  const rotated = stageRoot(counting, gun, TEST_ACTOR, 'a test', (head, now) =>
    prepareRotation(counting, gun, head, now, ['timestamp']),
  )
  await assert.rejects(rotated, {
    code: 'WRONG_STATE',
    message: /: the root certificates have expired: no client accepts this repository any more$/,
    hint: `"countersign repo delete ${gun}", then a new repository; every client must forget this one`,
  })
  assert.deepEqual(made, [])
})

test('a failing repository is logged and does not hold up the others', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust, clock } = local
  const guns = [await create(local, 'example.org/a'), await create(local, 'example.org/b')]
  clock.now = NOW + AGE
  const logged: object[] = []
  const failing = {
    ...trust,
    log: { ...trust.log, error: (facts: object) => logged.push(facts) },
    signer: alteredSigner(trust.signer, {
      async create(gun, role) {
        if (gun === guns[0]) throw new Error('the token is away')
        return trust.signer.create(gun, role)
      },
    }),
  }
  assert.deepEqual(await stageAgedKeys(failing, AGE), { staged: 1, failed: 1 })
  assert.deepEqual(
    logged.map((facts) => 'gun' in facts && facts.gun),
    [guns[0]],
  )
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 1, failed: 0 })
})

test('a store that refuses writes ends the round, which returns instead of throwing', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust, clock } = local
  for (const name of ['example.org/a', 'example.org/b']) await create(local, name)
  clock.now = NOW + AGE
  const commit = (): Promise<never> => Promise.reject(new TrustError('STORE_UNAVAILABLE', 'the disk is full'))
  assert.deepEqual(await stageAgedKeys({ ...trust, store: { ...trust.store, commit } }, AGE), { staged: 0, failed: 1 })
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 2, failed: 0 })
})

test('unreadable repository names count as a failure, and the other repositories are still processed', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust, clock } = local
  const gun = await create(local, 'example.org/a')
  clock.now = NOW + AGE
  async function* guns(_: number, after?: string): AsyncGenerator<typeof gun> {
    if (after === undefined) yield gun
    throw new TrustError('CORRUPT', 'the database cannot be read')
  }
  assert.deepEqual(await stageAgedKeys({ ...trust, store: { ...trust.store, guns } }, AGE), { staged: 1, failed: 1 })
})

test('where the publisher signs the snapshot nothing is staged, and nothing counts as failed', async (t) => {
  const { trust, clock } = await localTrustFor(t, NOW)
  const gun = parseGun('example.org/client')
  const world = await TrustWorld.create({ gun, now: NOW, serverKeys: localKeys(trust, gun) })
  await localPublish(trust, gun, world.parts('root', 'targets'))
  clock.now = NOW + AGE
  assert.deepEqual(await stageAgedKeys(trust, AGE), { staged: 0, failed: 0 })
})
