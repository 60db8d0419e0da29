import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { acceptClock } from '../../src/repository/accept-clock.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import {
  localClient,
  localKeys,
  localPublish,
  localTrustFor,
  TEST_ACTOR,
  type LocalTrust,
} from '../support/local-trust.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-29T08:00:00.000Z')
const DAY = 86_400_000
const AHEAD = 400 * DAY
const GUN = parseGun('example.org/a')

async function published(here: LocalTrust, gun: string, snapshot: 'client' | 'server'): Promise<TrustWorld> {
  const world = await TrustWorld.create({ gun, now: NOW, serverKeys: localKeys(here.trust, gun), snapshot })
  await localPublish(here.trust, parseGun(gun), world.parts('root', 'targets'))
  return world
}

/** Two repositories that the server re-signed while its clock was ahead; the clock has since been set right. */
async function afterTheClockWasAhead(t: TestContext, ahead = AHEAD): Promise<{ here: LocalTrust; world: TrustWorld }> {
  const here = await localTrustFor(t, NOW)
  const world = await published(here, GUN, 'server')
  await published(here, 'example.org/b', 'client')
  here.clock.now = NOW + ahead
  assert.deepEqual(await renewDue(here.trust), { renewed: 2, failed: 0 })
  here.clock.now = NOW + DAY
  return { here, world }
}

const endOf = ({ trust }: LocalTrust, role: string): number => trust.store.head(GUN)?.roles[role]?.expires ?? 0

/** Signing fails for one of the repositories. */
function withoutToken(trust: Trust): Trust {
  const sign: Trust['signer']['sign'] = async (owner, ...rest) => {
    if (owner.gun !== GUN) return trust.signer.sign(owner, ...rest)
    throw new TrustError('SIGNER_UNAVAILABLE', 'the token is away')
  }
  return { ...trust, signer: { ...trust.signer, sign } }
}

test('accepting a clock that was ahead lets signing go on, and clients follow to metadata of normal lifetime', async (t) => {
  const { here, world } = await afterTheClockWasAhead(t)
  const { trust } = here
  const client = localClient(here, GUN)
  const { versions } = await client.update()
  world.addTarget('v2')
  const publish = async (): Promise<void> => localPublish(trust, GUN, world.nextParts('targets'))
  await assert.rejects(publish(), { code: 'CLOCK', hint: /"countersign clock --accept"/ })
  assert.ok(endOf(here, 'timestamp') > NOW + AHEAD)

  assert.deepEqual(await acceptClock(trust, TEST_ACTOR), { accepted: true, renewed: 2, failed: 0 })
  assert.equal(endOf(here, 'timestamp'), NOW + 15 * DAY)
  assert.ok(endOf(here, 'snapshot') <= NOW + (1095 + 1) * DAY)
  const { timestamp = 0 } = (await client.update()).versions
  assert.equal(timestamp, (versions['timestamp'] ?? 0) + 1)
  await localPublish(trust, GUN, world.parts('targets'))
  await client.update()
  // Half its life, counted from the acceptance.
  here.clock.now = NOW + 9 * DAY
  assert.deepEqual(await renewDue(trust), { renewed: 2, failed: 0 })

  const kinds: string[] = []
  const times: number[] = []
  for (const { kind, time } of trust.store.journal()) {
    kinds.push(kind)
    times.push(Date.parse(time))
  }
  const at = kinds.indexOf('clock')
  assert.deepEqual(times.slice(at - 1, at + 2), [NOW + AHEAD, NOW + DAY, NOW + DAY])
  assert.deepEqual((await here.check()).findings, [])
})

test('accepting a clock that is right changes nothing; a repeat signs what could not be signed the first time', async (t) => {
  const { here } = await afterTheClockWasAhead(t)
  const { trust } = here
  assert.deepEqual(await acceptClock(withoutToken(trust), TEST_ACTOR), { accepted: true, renewed: 1, failed: 1 })
  assert.deepEqual(await acceptClock(trust, TEST_ACTOR), { accepted: false, renewed: 1, failed: 0 })
  const { number } = trust.store.tail()
  assert.deepEqual(await acceptClock(trust, TEST_ACTOR), { accepted: false, renewed: 0, failed: 0 })
  assert.equal(trust.store.tail().number, number)
})

test('what was signed by a clock that was ahead for days is signed anew, too', async (t) => {
  const { here } = await afterTheClockWasAhead(t, 8 * DAY)
  assert.equal(endOf(here, 'timestamp'), NOW + 22 * DAY)
  assert.deepEqual(await acceptClock(here.trust, TEST_ACTOR), { accepted: true, renewed: 2, failed: 0 })
  assert.equal(endOf(here, 'timestamp'), NOW + 15 * DAY)
})
