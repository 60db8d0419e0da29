import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRotation } from '../../src/repository/rotation-plan.ts'
import { GUN, owned } from '../support/owned-repository.ts'

test('a repository with many roots: requests have their turn between two of them', async (t) => {
  const { here, owner, send } = await owned(t)
  for (let version = 2; version <= 30; version += 1) {
    owner.rotateRoot(here.clock.now)
    await send(owner.nextParts('root'))
  }
  let turns = 0
  const turn = (): void => {
    turns += 1
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  const plan = await planRotation(here.trust, GUN, ['root'], here.clock.now)
  clearImmediate(waiting)
  assert.equal(plan?.cachedRoots.length, 30)
  assert.ok(turns >= 29, `${turns} turns`)
})
