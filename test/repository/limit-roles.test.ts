import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remove } from '../../src/repository/remove.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const GUN = parseGun('example.org/many-roles')
const key = makeKey('ed25519')
const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}/r${n}`)

test('the signers of a delegation cannot use up the role names of others', async (t) => {
  const here = await localTrustFor(t, NOW)
  const world = await TrustWorld.create({
    gun: GUN,
    now: NOW,
    serverKeys: localKeys(here.trust, GUN),
    snapshot: 'server',
  })
  const add = async (...roles: string[]): Promise<void> => localPublish(here.trust, GUN, world.nextParts(...roles))
  for (const role of ['targets/a', 'targets/b']) world.delegate(role, [key])
  await add('root', 'targets', 'targets/a', 'targets/b')

  const below = named('targets/a', 98)
  for (const role of [...below, 'targets/a/r0/c', 'targets/a/r0/d']) world.delegate(role, [key])
  await add('targets/a', ...below, 'targets/a/r0/c', 'targets/a/r0/d')
  world.delegate('targets/a/r1/e', [key])
  const before = here.trust.store.tail().number
  await assert.rejects(add('targets/a/r1', 'targets/a/r1/e'), {
    code: 'INVALID_UPDATE',
    message: 'targets/a has below it at most 100 roles, including removed ones',
  })
  assert.equal(here.trust.store.tail().number, before)

  // Other delegations can still add roles, and existing roles can still publish.
  world.delegate('targets/b/c', [key])
  await add('targets/b', 'targets/b/c')
  world.addTarget('latest', 'targets/a/r5')
  await add('targets/a/r5')
})

test('the number of roles that a repository ever had is limited; existing roles still publish', async (t) => {
  const here = await localTrustFor(t, NOW)
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(here.trust, GUN) })
  await localPublish(here.trust, GUN, world.parts('root', 'targets'))
  /** Replaces all delegations. */
  const delegateTo = async (roles: readonly string[]): Promise<void> => {
    world.targets.delegations = { keys: {}, roles: [] }
    for (const role of world.files.keys()) if (role.includes('/')) world.files.delete(role)
    for (const role of roles) world.delegate(role, [key])
    await localPublish(here.trust, GUN, world.nextParts('targets', ...roles))
  }
  // These and root, targets, snapshot and timestamp make 2000.
  const roles = named('targets', 1_996)
  for (let from = 0; from < roles.length; from += 100) await delegateTo(roles.slice(from, from + 100))
  assert.equal(Object.keys(here.trust.store.head(GUN)!.roles).length, 100)
  await assert.rejects(delegateTo(['targets/further']), {
    code: 'INVALID_UPDATE',
    message: 'a repository has at most 2000 roles, including removed ones',
  })

  world.targets.version -= 1
  world.delegations.get('targets/r1990')!.version = 1
  await delegateTo(['targets/r1990'])
  assert.deepEqual((await here.check()).findings, [])
})

test('a repository that is published anew, with fewer roles than before, may not have too many below one delegation', async (t) => {
  const here = await localTrustFor(t, NOW)
  const serverKeys = localKeys(here.trust, GUN)
  const publishWith = async (delegations: readonly string[]): Promise<void> => {
    const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys, snapshot: 'server' })
    for (const role of delegations) world.delegate(role, [key])
    await localPublish(here.trust, GUN, world.nextParts('root', 'targets', ...delegations))
  }
  await publishWith(named('targets', 110))
  await remove(here.trust, GUN, TEST_ACTOR)
  await assert.rejects(publishWith(['targets/a', ...named('targets/a', 101)]), {
    code: 'INVALID_UPDATE',
    message: 'targets/a has below it at most 100 roles, including removed ones',
  })
  await publishWith(['targets/a', ...named('targets/a', 100)])
})
