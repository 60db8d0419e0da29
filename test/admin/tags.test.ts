import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test, before, after } from 'node:test'
import { auditJournal } from '../../src/admin/audit.ts'
import { collectEndings, showExpiry } from '../../src/admin/expiry.ts'
import { findDigest } from '../../src/admin/find.ts'
import { parsed, type World } from '../../src/admin/operation.ts'
import { removePolicy, setPolicy } from '../../src/admin/policies.ts'
import { deleteSigner, makeSigner } from '../../src/admin/signers.ts'
import { listTags, removeTag, signManyTags, signTag } from '../../src/admin/tags.ts'
import { createToken, revokeToken } from '../../src/admin/tokens.ts'
import { LOCAL } from '../../src/access/permission.ts'
import { TrustError } from '../../src/errors.ts'
import { remove } from '../../src/repository/remove.ts'
import { rehearsing } from '../../src/admin/rehearse.ts'
import type { Store } from '../../src/store/store.ts'
import { makeRootKey } from '../../src/signing/root-key.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localClient, openLocalTrust, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import type { ReferenceClient } from '../support/reference-client.ts'
import { createSignedByServer } from '../support/signed-by-server.ts'

const NOW = Date.UTC(2026, 10, 24)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const GUN = 'docker.io/acme/tags'
const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

describe('tags that the server signs', () => {
  let local: LocalTrust
  let world: World
  const key = makeRootKey()

  before(async () => {
    local = await openLocalTrust(NOW)
    world = {
      trust: local.trust,
      asker: () => LOCAL,
      keyFault: async () => undefined,
      check: () => assert.fail(),
      backUp: () => assert.fail(),
      keysFault: () => assert.fail(),
      certificates: async () => [{ what: 'server certificate', expires: NOW + 5 * DAY }],
      rehearsalSigner: local.trust.signer,
    }
    await create(GUN)
    const grants = [{ pattern: GUN, actions: ['sign' as const] }]
    for (const name of ['ci', 'revoked']) await createToken.run(world, { name, grants, days: 30 }, LOCAL)
    await revokeToken.run(world, { token: 'revoked' }, LOCAL)
  })
  after(() => local.close())

  const create = (name: string): Promise<void> => createSignedByServer(world, name, key)

  const sign = (tag: string, digest: string, more: object = {}): ReturnType<typeof signTag.run> =>
    signTag.run(world, parsed(signTag, { gun: GUN, tag, digest, size: 7, ...more }), TEST_ACTOR)
  const client = (): ReferenceClient => localClient(local, parseGun(GUN))

  test('a tag is signed once, and a client reads it', async () => {
    const first = await sign('v1', digestOf('one'))
    assert.deepEqual([first.changed, first.roles], [true, ['targets']])
    const again = await sign('v1', digestOf('one'))
    assert.deepEqual(again, { ...first, changed: false })
    const { targets } = await client().update()
    assert.deepEqual(
      targets.map(({ name, role, length }) => [name, role, length]),
      [['v1', 'targets', 7]],
    )
  })

  test('with an old if-match nothing changes', async () => {
    const { etag } = await listTags.run(world, { gun: parseGun(GUN) }, TEST_ACTOR)
    await sign('v2', digestOf('two'), { ifMatch: etag })
    const before = local.trust.store.head(parseGun(GUN))
    await assert.rejects(sign('v3', digestOf('three'), { ifMatch: etag }), { code: 'PRECONDITION' })
    assert.equal(local.trust.store.head(parseGun(GUN)), before)
  })

  test('a thousand tags are signed in one publish, all or none', async () => {
    const set = Array.from({ length: 1_000 }, (_, index) => ({
      tag: `t${index}`,
      digest: digestOf(`${index}`),
      size: 9,
    }))
    const before = local.trust.store.head(parseGun(GUN))?.roles['targets']?.version ?? 0
    await signManyTags.run(world, parsed(signManyTags, { gun: GUN, set, remove: ['v2', 'never-there'] }), TEST_ACTOR)
    assert.equal(local.trust.store.head(parseGun(GUN))?.roles['targets']?.version, before + 1)
    const { tags } = await listTags.run(world, { gun: parseGun(GUN) }, TEST_ACTOR)
    assert.equal(tags.length, 1_001)
    const twice = { gun: GUN, set: [set[0], set[0]], remove: [] }
    assert.throws(() => signManyTags.run(world, parsed(signManyTags, twice), TEST_ACTOR), {
      code: 'INVALID_PARAMETERS',
    })
    assert.equal((await local.check()).findings.length, 0)
  })

  test('many concurrent changes all succeed', async () => {
    await Promise.all(Array.from({ length: 10 }, (_, index) => sign(`same-${index}`, digestOf(`same ${index}`))))
    const { tags } = await listTags.run(world, { gun: parseGun(GUN) }, TEST_ACTOR)
    assert.equal(tags.filter(({ tag }) => tag.startsWith('same-')).length, 10)
  })

  test('a dry run changes nothing', async () => {
    const before = local.trust.store.head(parseGun(GUN))
    const input = parsed(signTag, { gun: GUN, tag: 'dry', digest: digestOf('dry'), size: 1 })
    assert.equal((await signTag.run(rehearsing(world), input, TEST_ACTOR)).changed, true)
    assert.equal(local.trust.store.head(parseGun(GUN)), before)
  })

  test('an invalid tag or digest and an unknown repository or signer are refused', async () => {
    for (const wrong of [
      { tag: 'a b' },
      { tag: '' },
      { tag: '.x' },
      { tag: 'x'.repeat(129) },
      { digest: 'sha256:AB' },
      { digest: `${digestOf('')}0` },
      { digest: `sha256:${'A'.repeat(64)}` },
      { digest: 'latest' },
      { size: 0 },
      { size: 1.5 },
      { extra: 1 },
    ]) {
      assert.throws(() => parsed(signTag, { gun: GUN, tag: 'v1', digest: digestOf(''), size: 1, ...wrong }), {
        code: 'INVALID_PARAMETERS',
      })
    }
    const unknown = { gun: GUN, tag: 'v1', digest: digestOf(''), size: 1, extra: 1 }
    assert.throws(() => parsed(signTag, unknown), { message: 'Unrecognized key: "extra"' })
    // Publishers choose any names for what they sign.
    const odd = parsed(removeTag, { gun: GUN, tag: 'docs/read me' })
    assert.deepEqual((await removeTag.run(world, odd, TEST_ACTOR)).absent, ['docs/read me'])
    const elsewhere = parsed(signTag, { gun: 'docker.io/acme/none', tag: 'v1', digest: digestOf(''), size: 1 })
    await assert.rejects(signTag.run(world, elsewhere, TEST_ACTOR), { code: 'NOT_FOUND' })
    await assert.rejects(sign('v1', digestOf(''), { as: 'nobody' }), { code: 'NOT_FOUND' })
    await makeSigner.run(world, { name: 'ci' }, TEST_ACTOR)
    await assert.rejects(sign('v1', digestOf(''), { as: 'ci' }), { code: 'WRONG_STATE' })
    await assert.rejects(makeSigner.run(world, { name: 'ci' }, TEST_ACTOR), { code: 'WRONG_STATE' })
    for (const name of ['releases', 'A', 'a/b', '', '-a']) {
      await assert.rejects(makeSigner.run(world, { name }, TEST_ACTOR), { code: 'INVALID_PARAMETERS' }, name)
    }
    await deleteSigner.run(world, { name: 'ci' }, TEST_ACTOR)
  })

  test('a policy decides which tags may be signed, moved, and need a check in the registry', async () => {
    const subject = `user:alice`
    const alice = { name: subject }
    const asAlice = { ...world, asker: () => ({ ...alice, grants: [] }) }
    const rule = { guns: 'docker.io/acme/*', tags: 'v*', move: false, checkedWithinMinutes: 10 }
    await setPolicy.run(world, parsed(setPolicy, { subject, rules: [rule] }), TEST_ACTOR)
    const as = (more: object): ReturnType<typeof signTag.run> =>
      signTag.run(asAlice, parsed(signTag, { gun: GUN, tag: 'v9', digest: digestOf('nine'), size: 1, ...more }), alice)
    const seen = { checkedAt: new Date(NOW - 5 * 60_000).toISOString() }
    const refused: [object, RegExp][] = [
      [{ ...seen, tag: 'latest' }, /no rule for .* allows the tag latest: v\*/],
      [{ ...seen, tag: 'v1' }, /does not allow v1 to be moved/],
      [{}, /checked in the registry within the last 10 minutes/],
      [{ checkedAt: new Date(NOW - 11 * 60_000).toISOString() }, /within the last 10 minutes/],
    ]
    for (const [more, text] of refused) {
      await assert.rejects(
        as(more),
        (error: Error & { code?: string }) => error.code === 'POLICY' && text.test(error.message),
      )
    }
    assert.equal((await as(seen)).changed, true)
    assert.equal((await as(seen)).changed, false)
    const many = (more: object): ReturnType<typeof signManyTags.run> => {
      const set = [{ tag: 'v9', digest: digestOf('nine'), size: 1 }]
      return signManyTags.run(asAlice, parsed(signManyTags, { gun: GUN, set, ...more }), alice)
    }
    await assert.rejects(many({}), { code: 'POLICY' })
    assert.equal((await many(seen)).changed, false)
    const takeAway = parsed(removeTag, { gun: GUN, tag: 'v9' })
    await assert.rejects(removeTag.run(asAlice, takeAway, alice), { code: 'POLICY' })
    const absent = parsed(removeTag, { gun: GUN, tag: 'v10' })
    assert.equal((await removeTag.run(asAlice, absent, alice)).changed, false)
    // Removing a signature needs no check.
    await setPolicy.run(world, parsed(setPolicy, { subject, rules: [{ ...rule, move: true }] }), TEST_ACTOR)
    assert.equal((await removeTag.run(asAlice, takeAway, alice)).changed, true)
    await removePolicy.run(world, { subject }, TEST_ACTOR)
    assert.equal((await as({})).changed, true)
  })

  test('find and audit say where, when and by whom a digest was signed, also after a delete', async (t) => {
    const hour = (hours: number): string => new Date(NOW + hours * HOUR).toISOString()
    const next = (): void => void (local.clock.now += HOUR)
    t.after(() => (local.clock.now = NOW))
    const name = 'docker.io/acme/found'
    await create(name)
    const digest = digestOf('found')
    const input = (tag: string, other = digest): Parameters<typeof signTag.run>[1] =>
      parsed(signTag, { gun: name, tag, digest: other, size: 1 })
    next()
    await signTag.run(world, input('v1'), { name: 'user:alice', address: '192.0.2.1', requestId: 'r1' })
    next()
    await signTag.run(world, input('v2'), TEST_ACTOR)
    next()
    await signTag.run(world, input('v2', digestOf('another')), TEST_ACTOR)
    const found = await findDigest.run(world, { digest }, TEST_ACTOR)
    assert.deepEqual(
      found.now.map(({ tag, by }) => [tag, by]),
      [['v1', 'user:alice']],
    )
    const before = ({ before: all }: typeof found): unknown[] => all.map(({ tag, since, until }) => [tag, since, until])
    assert.deepEqual(before(found), [['v2', hour(2), hour(3)]])
    const asked = parsed(auditJournal, { gun: 'docker.io/acme/*', digest, actor: 'user:alice' })
    const { entries, next: more } = await auditJournal.run(world, asked, TEST_ACTOR)
    assert.equal(more, null)
    const [entry] = entries
    assert.ok(entries.length === 1 && entry !== undefined && 'actor' in entry)
    assert.deepEqual(entry.actor, { name: 'user:alice', address: '192.0.2.1', requestId: 'r1' })
    assert.ok(entry.documents.every(({ keyIds }) => keyIds.length > 0))
    next()
    await remove(local.trust, parseGun(name), TEST_ACTOR)
    const gone = await findDigest.run(world, { digest }, TEST_ACTOR)
    assert.deepEqual(gone.now, [])
    assert.deepEqual(before(gone), [
      ['v2', hour(2), hour(3)],
      ['v1', hour(1), hour(4)],
    ])
    const times = async (filter: object): Promise<unknown[]> => {
      const found = await auditJournal.run(world, parsed(auditJournal, { gun: name, ...filter }), TEST_ACTOR)
      return found.entries.map((each) => 'time' in each && each.time)
    }
    assert.deepEqual(await times({ since: hour(2), until: hour(3) }), [hour(3), hour(2)])
    assert.deepEqual(await times({ kind: 'delete' }), [hour(4)])
    assert.deepEqual(await times({ actor: 'user:alice' }), [hour(1)])
    for (const actor of ['user:ali', 'external:alice']) assert.deepEqual(await times({ actor }), [])
    assert.deepEqual(await times({ digest }), [hour(4), hour(3), hour(2), hour(1)])
  })

  test('audit lists every entry once over all pages, in both directions', async () => {
    const all = [...local.trust.store.journal()].map(({ number }) => number)
    const walk = async (start: object, direction: 'after' | 'before'): Promise<number[]> => {
      const seen: number[] = []
      let cursor: object | undefined = start
      while (cursor !== undefined) {
        const page = await auditJournal.run(world, parsed(auditJournal, { ...cursor, limit: 7 }), TEST_ACTOR)
        seen.push(...page.entries.map(({ number }) => number))
        cursor =
          page.next === null || (direction === 'before' && page.next === 1) ? undefined : { [direction]: page.next }
      }
      return seen
    }
    assert.deepEqual(await walk({ after: 0 }, 'after'), all)
    assert.deepEqual(await walk({}, 'before'), all.toReversed())
  })

  test('expiry lists the soonest first, with what to do', async () => {
    const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
    assert.deepEqual([rows[0]?.what, rows[0]?.daysLeft], ['server certificate', 5])
    assert.ok(rows.some(({ gun, what }) => gun === GUN && what === 'root certificate'))
    assert.deepEqual(
      rows.flatMap(({ what }) => (what.startsWith('token ') ? what : [])),
      ['token ci'],
    )
    const targets = rows.find(({ gun, what }) => gun === GUN && what === 'targets')
    assert.equal(targets?.todo, 'nothing: the server re-signs it by itself')
    assert.deepEqual(
      rows.map(({ ends }) => ends),
      rows.map(({ ends }) => ends).toSorted(),
    )
    assert.equal((await collectEndings(world, NOW + DAY)).length, 0)
    const daysLeft = async (now: number): Promise<number | undefined> => {
      const later = { ...world, trust: { ...world.trust, now: () => now } }
      const [row] = await showExpiry.run(later, { days: 7 }, TEST_ACTOR)
      return row?.daysLeft
    }
    assert.equal(await daysLeft(NOW + HOUR), 4)
    assert.equal(await daysLeft(NOW + 5 * DAY + HOUR), -1)
    const aged = await collectEndings({ ...world, keyAge: 2 * DAY }, NOW + 3 * DAY)
    assert.ok(aged.every(({ expires }) => expires === NOW + 2 * DAY))
    assert.deepEqual(
      new Set(aged.filter(({ gun }) => gun === GUN).map(({ what }) => what)),
      new Set(['targets key', 'snapshot key', 'timestamp key']),
    )
    const store: Store = {
      ...world.trust.store,
      records() {
        throw new TrustError('CORRUPT', 'a stored record is damaged')
      },
    }
    const damaged = await collectEndings({ ...world, trust: { ...world.trust, store } }, NOW + 9 * DAY)
    assert.deepEqual(
      damaged.map(({ what }) => what),
      ['damaged', 'server certificate'],
    )
  })
})
