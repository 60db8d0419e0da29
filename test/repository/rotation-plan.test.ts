import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptClock } from '../../src/repository/accept-clock.ts'
import { viewAsClient } from '../../src/repository/client-view.ts'
import { planRotation } from '../../src/repository/roots/rotation-plan.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { GUN, owned } from '../support/owned-repository.ts'

test('requests get their turn between any two of a repository’s many roots', async (t) => {
  const { here, owner, send } = await owned(t)
  for (let version = 2; version <= 30; version += 1) {
    owner.rotateRoot(here.clock.now)
    await send(owner.nextParts('root'))
  }
  const turnsDuring = async (work: () => Promise<unknown>): Promise<number> => {
    let turns = 0
    const turn = (): void => {
      turns += 1
      waiting = setImmediate(turn)
    }
    let waiting = setImmediate(turn)
    await work()
    clearImmediate(waiting)
    return turns
  }
  const planned = await turnsDuring(async () => {
    const plan = await planRotation(here.trust, GUN, ['root'], here.clock.now)
    assert.equal(plan?.cachedRoots.length, 30)
  })
  // A turn for reading and one for verifying each root.
  assert.ok(planned >= 59, `${planned} turns`)
  const head = here.trust.store.head(GUN)!
  const viewed = await turnsDuring(() => viewAsClient(here.trust, GUN, head, here.clock.now))
  assert.ok(viewed >= 29, `${viewed} turns`)
})

test('a clock that went back is an obstacle to every rotation until it is accepted', async (t) => {
  const { here } = await owned(t)
  const obstacles = async (): Promise<readonly string[] | undefined> =>
    (await planRotation(here.trust, GUN, ['root'], here.clock.now))?.obstacles
  assert.deepEqual(await obstacles(), [])
  here.clock.now -= 86_400_000
  assert.match(
    (await obstacles())?.join() ?? '',
    /^the clock says [^,]+, [^,]+, or, .* "countersign clock --accept" first$/,
  )
  await acceptClock(here.trust, TEST_ACTOR)
  assert.deepEqual(await obstacles(), [])
})
