import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { addDelegation, removeDelegation } from '../../src/admin/delegations.ts'
import { parsed, type World } from '../../src/admin/operation.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { listTags, signManyTags } from '../../src/admin/tags.ts'
import { TrustError } from '../../src/errors.ts'
import { DecodedDocuments } from '../../src/repository/decoded.ts'
import { localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { worldOf } from '../support/people.ts'
import { createSignedByServer } from '../support/signed-by-server.ts'

const GUN = 'docker.io/acme/central'
const [ONE, OTHER] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`)

type Change = (
  set: Record<string, string | undefined>,
  remove?: string[],
  more?: object,
) => ReturnType<typeof signManyTags.run>

interface WithCi {
  readonly clock: { now: number }
  readonly world: World
  readonly change: Change
  /** Makes the current document of a role unreadable. */
  readonly damage: (role: string) => void
}

/** Returns a repository that the server signs, and lets the server's signer ci sign in too. */
async function withCi(t: TestContext): Promise<WithCi> {
  const here = await localTrustFor(t, Date.UTC(2026, 10, 24))
  let damaged: string | undefined
  const { store } = here.trust
  const document: typeof store.document = (...of) => {
    if (of[1] === damaged) throw new TrustError('CORRUPT', 'a stored record is damaged')
    return store.document(...of)
  }
  const trust = { ...here.trust, store: { ...store, document } }
  const damage = (role: string): void => {
    damaged = role
    trust.decoded = new DecodedDocuments()
  }
  const world = worldOf({ trust })
  await createSignedByServer(world, GUN)
  await makeSigner.run(world, { name: 'ci' }, TEST_ACTOR)
  await addDelegation.run(world, parsed(addDelegation, { gun: GUN, name: 'ci' }), TEST_ACTOR)
  const change: Change = (digests, remove = [], more = {}) => {
    const set = Object.entries(digests).map(([tag, digest]) => ({ tag, digest, size: 7 }))
    return signManyTags.run(world, parsed(signManyTags, { gun: GUN, set, remove, ...more }), TEST_ACTOR)
  }
  return { clock: here.clock, world, change, damage }
}

test('tags are named that docker takes from elsewhere than from where they were changed', async (t) => {
  const { change, world } = await withCi(t)
  await change({ moved: ONE, same: ONE, gone: ONE }, [], { as: 'ci' })
  await assert.rejects(listTags.run(world, parsed(listTags, { gun: GUN, as: 'cj' }), TEST_ACTOR), { code: 'NOT_FOUND' })
  const { shadowed, remaining } = await change({ moved: OTHER, same: ONE, own: ONE }, ['gone', 'never-there'])
  assert.deepEqual([shadowed, remaining], [['moved', 'gone'], []])
  const asCi = await change({ own: OTHER }, ['same', 'gone'], { as: 'ci' })
  assert.deepEqual([asCi.shadowed, asCi.remaining], [[], ['same']])
  assert.deepEqual((await change({}, ['same'])).remaining, [])
})

test('what clients do not believe of targets/releases hides no tag, nor does a damaged one stop its signing', async (t) => {
  const { world, change, damage } = await withCi(t)
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys = [publicKey.export({ type: 'spki', format: 'pem' }).toString()]
  const add = (): ReturnType<typeof addDelegation.run> =>
    addDelegation.run(world, parsed(addDelegation, { gun: GUN, name: 'alice', keys }), TEST_ACTOR)
  assert.deepEqual((await add()).warnings, [], 'nobody has signed it yet')
  await change({ v1: ONE }, [], { as: 'ci' })
  assert.deepEqual((await change({ v1: OTHER })).shadowed, ['v1'])
  damage('targets/releases')
  assert.deepEqual((await change({ v1: ONE })).shadowed, [])
  damage('')
  assert.deepEqual((await change({ v1: OTHER })).shadowed, ['v1'])
  const removed = await removeDelegation.run(world, parsed(removeDelegation, { gun: GUN, name: 'ci' }), TEST_ACTOR)
  assert.match(removed.warnings.join(), /^none of its present keys has signed targets\/releases/)
  assert.match((await add()).warnings.join(), /^none of its present keys has signed targets\/releases/)
  assert.deepEqual((await change({ v1: ONE })).shadowed, [])
})

test('a tag is signed anew once half the life of its signature is over', async (t) => {
  const { clock, change } = await withCi(t)
  const sign = async (): Promise<boolean> => (await change({ v1: ONE })).changed
  assert.deepEqual([await sign(), await sign()], [true, false])
  clock.now += 548 * 86_400_000
  assert.deepEqual([await sign(), await sign()], [true, false])
  // Even long after that: clients see what is signed now.
  clock.now += 1_100 * 86_400_000
  assert.equal((await change({ v1: OTHER })).unseen, undefined)
})
