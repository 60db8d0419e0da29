import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allTokens } from '../../src/access/api-token.ts'
import { parsed, type World } from '../../src/admin/operation.ts'
import { listPolicies, removePolicy, setPolicy, showPolicy } from '../../src/admin/policies.ts'
import { removeTag, signTag } from '../../src/admin/tags.ts'
import { revokeToken } from '../../src/admin/tokens.ts'
import { TrustError } from '../../src/errors.ts'
import { withPermissionCheck } from '../../src/repository/trust.ts'
import type { Store } from '../../src/store/store.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { localTrustFor, openLocalTrust, TEST_ACTOR } from '../support/local-trust.ts'
import { A, B, base64, GUN, withSigner } from '../support/owned-repository.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'

test("signing over an owner's tag counts as a move: docker looks into targets/releases first", async (t) => {
  const world = await withSigner(t)
  const { owner, send, here } = world
  owner.addTarget('v1', 'targets', { ...fileMeta(Buffer.from('')), hashes: { sha256: base64(A) } })
  await send(owner.nextParts('targets'))
  const place: World = worldOf(here)
  const rules = [{ guns: GUN, tags: '*', move: false }]
  await setPolicy.run(place, parsed(setPolicy, { subject: 'signer:ci', rules }), TEST_ACTOR)
  const sign = (tag: string, hex: string): ReturnType<typeof signTag.run> =>
    signTag.run(place, parsed(signTag, { gun: GUN, tag, digest: `sha256:${hex}`, size: 7, as: 'ci' }), TEST_ACTOR)
  const moved = { code: 'POLICY', message: /does not allow v1 to be moved/ }
  await assert.rejects(sign('v1', B), moved)
  assert.equal((await sign('v1', A)).changed, true)
  await assert.rejects(sign('v1', B), moved)
  assert.equal((await sign('v2', B)).changed, true)
  const takeAway = parsed(removeTag, { gun: GUN, tag: 'v1', as: 'ci' })
  await assert.rejects(removeTag.run(place, takeAway, TEST_ACTOR), moved)
  // Even if the signer itself has signed nothing else.
  owner.addTarget('v1', 'targets', { ...fileMeta(Buffer.from('')), hashes: { sha256: base64(B) } })
  await send(owner.nextParts('targets'))
  await assert.rejects(sign('v1', A), moved)
})

test('a rule set after the last look at the rules, and before the commit, counts; other changes of the server delay nothing', async (t) => {
  for (const checked of [false, true]) {
    const { here } = await withSigner(t)
    const place = worldOf(here)
    const rule = { subject: 'signer:ci', rules: [{ guns: GUN, tags: 'v*' }] }
    const meanwhile = [
      () => makeToken(here, 'job', [`read:${GUN}`]),
      () => setPolicy.run(place, parsed(setPolicy, rule), TEST_ACTOR),
    ]
    const store: Store = {
      ...here.trust.store,
      async commit(change) {
        if (change.gun === GUN) await meanwhile.shift()?.()
        return here.trust.store.commit(change)
      },
    }
    const trust = { ...here.trust, store }
    // As over the admin API, which looks at permissions before each commit.
    const world = worldOf({ trust: checked ? withPermissionCheck(trust, () => undefined) : trust })
    const sign = (tag: string): ReturnType<typeof signTag.run> =>
      signTag.run(world, parsed(signTag, { gun: GUN, tag, digest: `sha256:${A}`, size: 7, as: 'ci' }), TEST_ACTOR)
    const before = here.trust.store.head(GUN)
    await assert.rejects(sign('rc'), { code: 'POLICY' })
    assert.deepEqual([here.trust.store.head(GUN), meanwhile], [before, []])
    assert.equal((await sign('v9')).changed, true)
  }
})

test('a lost policy forbids all signing until it is set again or removed', async (t) => {
  const { here } = await withSigner(t)
  let lost = false
  const store: Store = {
    ...here.trust.store,
    record: (kind, name) => (lost && kind === 'policy' ? undefined : here.trust.store.record(kind, name)),
  }
  const place = worldOf({ trust: { ...here.trust, store } })
  const set = (): Promise<unknown> =>
    setPolicy.run(place, parsed(setPolicy, { subject: 'signer:ci', rules: [{ guns: GUN, tags: 'v*' }] }), TEST_ACTOR)
  const sign = (tag: string): ReturnType<typeof signTag.run> =>
    signTag.run(place, parsed(signTag, { gun: GUN, tag, digest: `sha256:${A}`, size: 7, as: 'ci' }), TEST_ACTOR)
  const subject = { subject: 'signer:ci' }
  await set()
  lost = true
  const refused = { code: 'CORRUPT', message: 'the rules of signer:ci cannot be read: its record is not found' }
  await assert.rejects(sign('rc'), refused)
  await assert.rejects(sign('v2'), refused)
  await assert.rejects(showPolicy.run(place, subject, TEST_ACTOR), refused)
  await assert.rejects(removePolicy.run(place, subject, TEST_ACTOR), refused)
  await set()
  lost = false
  await assert.rejects(sign('rc'), { code: 'POLICY' })
  assert.equal((await sign('v2')).changed, true)
  await removePolicy.run(place, subject, TEST_ACTOR)
  assert.equal((await sign('rc')).changed, true)
})

test('a policy for a token that is being made has no warning that there is none', async (t) => {
  const here = await openLocalTrust(Date.now())
  t.after(() => here.close())
  const making = Promise.withResolvers<void>()
  const made = Promise.withResolvers<void>()
  const store: Store = {
    ...here.trust.store,
    async commit(commit) {
      making.resolve()
      await made.promise
      return here.trust.store.commit(commit)
    },
  }
  const place = { trust: { ...here.trust, store } }
  const token = makeToken(place, 'ci', ['read:*'])
  await making.promise
  const policy = { subject: 'token:ci', rules: [{ guns: '*', tags: 'v*' }] }
  const set = setPolicy.run(worldOf(place), parsed(setPolicy, policy), TEST_ACTOR)
  // Whatever is read before the token is there, has been read now.
  await allTokens(store)
  await allTokens(store)
  made.resolve()
  await token
  assert.deepEqual((await set).warnings, [])
})

test('a policy can be set for a damaged signer, without a warning', async (t) => {
  const { trust } = (await withSigner(t)).here
  const record: Store['record'] = (kind, name) => {
    if (kind === 'signer') throw new TrustError('CORRUPT', 'a stored record is damaged')
    return trust.store.record(kind, name)
  }
  const place = worldOf({ trust: { ...trust, store: { ...trust.store, record } } })
  const set = (subject: string): ReturnType<typeof setPolicy.run> =>
    setPolicy.run(place, parsed(setPolicy, { subject, rules: [{ guns: GUN, tags: 'v*' }] }), TEST_ACTOR)
  assert.deepEqual((await set('signer:ci')).warnings, [])
  assert.deepEqual((await set('signer:nobody')).warnings, [
    'there is no signer nobody: "countersign signer list" prints all',
  ])
})

test('a warning says that a policy binds nobody: a mistyped name, a revoked token, a certificate of no user', async (t) => {
  const { trust } = await localTrustFor(t, Date.now())
  await addPerson({ trust }, 'alice', [])
  await makeToken({ trust }, 'ci', ['read:*'])
  const records: Store['records'] = async function* (kind) {
    yield { kind, name: 'user:alice', damaged: 'a stored record is damaged' }
  }
  const damaged = worldOf({ trust: { ...trust, store: { ...trust.store, records } } })
  const warnings = async (subject: string, place = worldOf({ trust })): Promise<readonly string[]> =>
    (await setPolicy.run(place, parsed(setPolicy, { subject, rules: [{ guns: '*' }] }), TEST_ACTOR)).warnings
  for (const subject of ['user:alice', 'certificate:alice', 'token:ci']) assert.deepEqual(await warnings(subject), [])
  for (const [subject, list] of [
    ['user:bob@acme', 'user'],
    ['certificate:bob', 'user'],
    ['token:alice', 'token'],
  ] as const) {
    const name = subject.split(':')[1]
    assert.deepEqual(await warnings(subject), [`there is no ${list} ${name}: "countersign ${list} list" prints all`])
  }
  assert.deepEqual(await warnings('token:ci', damaged), [
    'cannot tell whether there is a token ci: one of the tokens is damaged',
  ])
  await revokeToken.run(worldOf({ trust }), { token: 'ci' }, TEST_ACTOR)
  assert.match(String(await warnings('token:ci')), /^there is no token ci/)
  const rows = await listPolicies.run(damaged, {}, TEST_ACTOR)
  assert.equal(rows.length, 6, 'each subject once, although one is damaged and the others are not found')
})

test('a rule that leaves something out is the strict one; what no rule can mean is refused', () => {
  const given = (...rules: object[]): unknown => parsed(setPolicy, { subject: 'certificate:alice', rules }).rules[0]
  assert.deepEqual(given({ guns: '*' }), { guns: '*', tags: '*', move: false, checkedWithinMinutes: null })
  assert.ok(given({ guns: '*', tags: 'a*'.repeat(8) }))
  for (const wrong of [
    { tags: 'a*'.repeat(9) },
    { tags: 'v1\n' },
    { tags: 'v1:x' },
    { checkedWithinMinutes: 0 },
    { guns: 'docker.io/**' },
  ]) {
    assert.throws(() => given({ guns: '*', ...wrong }), { code: 'INVALID_PARAMETERS' }, JSON.stringify(wrong))
  }
  assert.throws(() => given(), { code: 'INVALID_PARAMETERS' })
})
