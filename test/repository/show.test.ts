import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remove } from '../../src/repository/remove.ts'
import { describe } from '../../src/repository/show.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { GUN, owned } from '../support/owned-repository.ts'
import { makeKey } from '../support/test-key.ts'

const NAMES = Array.from({ length: 20 }, (_, index) => `targets/delegate-${index}`)

test('a repository with many delegations: requests have their turn between two documents', async (t) => {
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

test('a repository that is deleted while it is described is none', async (t) => {
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
