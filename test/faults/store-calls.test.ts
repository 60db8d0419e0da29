import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { TrustError } from '../../src/errors.ts'
import { remove } from '../../src/repository/remove.ts'
import { renew } from '../../src/repository/renewal/renew.ts'
import type { FaultHook } from '../../src/store/commit/committer.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localKeys, localPublish, openLocalTrust, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import type { Part } from '../support/upload.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const GUN = 'example.org/faults'
const STEPS = ['batch:before', 'batch:after', 'anchor:before', 'anchor:after'] as const

/** The life of a repository, one change per step; a step may be repeated until it succeeds. */
async function* life(local: LocalTrust): AsyncGenerator<() => Promise<void>> {
  const { trust } = local
  const gun = parseGun(GUN)
  const send = (parts: readonly Part[]) => () => localPublish(trust, gun, parts)
  const serverKeys = localKeys(trust, GUN)
  yield async () => void (await serverKeys('timestamp', 'current'))
  yield async () => void (await serverKeys('snapshot', 'current'))
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys, snapshot: 'server' })
  yield send(world.parts('root', 'targets'))
  world.delegate('targets/releases', [makeKey('ecdsa')])
  world.addTarget('v2', 'targets/releases')
  yield send(world.nextParts('targets', 'targets/releases'))
  yield async () => void (await serverKeys('timestamp', 'next'))
  world.nameServerKey('timestamp', await serverKeys('timestamp', 'next'))
  world.rotateRoot(NOW)
  yield send(world.nextParts('root'))
  local.clock.now += 8 * 86_400_000
  yield async () => void (await renew(trust, gun, 'due'))
  yield async () => void (await remove(trust, gun, TEST_ACTOR))
}

function usable({ trust }: LocalTrust): Promise<void> {
  return until('the store to be writable', () => trust.store.readiness().writable)
}

for (const step of STEPS) {
  test(`a write that fails at ${step} is stored whole or not at all, its retry succeeds, and the store stays sound`, async (t) => {
    for (let failing = 1; ; failing += 1) {
      let calls = 0
      let failed = false
      const faults: FaultHook = (at) => {
        if (at !== step) return
        calls += 1
        if (calls !== failing) return
        failed = true
        throw new Error('disk full')
      }
      const local = await openLocalTrust(NOW, faults)
      try {
        for await (const change of life(local)) {
          const before = local.trust.store.tail().number
          await change().catch(async (error: unknown) => {
            assert.ok(error instanceof TrustError && error.code === 'STORE_UNAVAILABLE', String(error))
            await usable(local)
            assert.equal(local.trust.store.tail().number, before, 'a refused write was stored')
            await change()
          })
          // A failed anchor write is noticed after the answer.
          await pause(1)
          await usable(local)
          const { findings } = await local.check()
          assert.deepEqual(findings, [])
        }
        assert.equal(local.trust.store.tail().number, 8, 'every change was committed exactly once')
      } finally {
        await local.close()
      }
      if (!failed) {
        t.diagnostic(`${failing - 1} calls, each failed once`)
        return
      }
    }
  })
}
