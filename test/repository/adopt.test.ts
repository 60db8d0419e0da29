import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allEndings } from '../../src/repository/expiry.ts'
import { planRotation } from '../../src/repository/roots/rotation-plan.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { describe } from '../../src/repository/show.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { stageRoot } from '../../src/repository/roots/stage.ts'
import { stagedRoot } from '../../src/repository/roots/staged.ts'
import { documentKey } from '../../src/store/keyspace.ts'
import type { Role } from '../../src/tuf/role.ts'
import { localKeys, TEST_ACTOR } from '../support/local-trust.ts'
import { timeText } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { lose, spoil } from '../support/test-store.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'
import {
  adoptOn,
  clientOf,
  DAY,
  fileOf,
  GUN,
  importFor,
  publishOn,
  made,
  move,
  namesOf,
  NOW,
  server,
  sha256Of,
  takeOver,
  versionsHere,
} from '../support/adoption.ts'

test('an adopted repository is served byte for byte, and a client with a cache goes on', async (t) => {
  const world = await move(t)
  const { there, here, owner } = world
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.addTarget('v2', 'targets/releases')
  await world.publish(owner.nextParts('targets', 'targets/releases'))
  let at = there
  const client = world.client(() => at)
  const before = await client.update()
  const adopted = await world.adopt()
  assert.equal(adopted.changed, true)
  assert.equal(adopted.signedHere, false)
  assert.deepEqual(adopted.roots, { first: 1, last: 1 })
  assert.deepEqual(adopted.warnings, [])
  const [entry] = here.trust.store.journal({ gun: GUN, before: Infinity })
  assert.deepEqual(entry?.changes.map(({ role, tag }) => `${role} ${tag}`).toSorted(), [
    'targets v1',
    'targets/releases v2',
  ])
  for (const [role, { sha256 }] of Object.entries(there.trust.store.head(GUN)!.roles)) {
    assert.equal(here.trust.store.head(GUN)!.roles[role]?.sha256, sha256, role)
  }
  at = here
  const after = await client.update()
  assert.deepEqual(after, before)
  assert.deepEqual(namesOf(await world.client(() => here).update()), ['targets v1', 'targets/releases v2'])
  assert.deepEqual((await here.check()).findings, [])
})

test('clients follow from any root once the owner has signed the one that names this server’s keys', async (t) => {
  const world = await move(t)
  const { there, here, owner } = world
  let at = there
  const oldest = world.client(() => at)
  await oldest.update()
  owner.rotateRoot(NOW)
  await world.publish(owner.nextParts('root'))
  owner.rotateRoot(NOW)
  await world.publish(owner.nextParts('root'))
  const newest = world.client(() => at)
  await newest.update()
  assert.deepEqual((await world.adopt()).roots, { first: 1, last: 3 })
  assert.equal(await takeOver(world), 4)
  at = here
  for (const client of [oldest, newest, world.client(() => here)]) {
    const { versions, targets } = await client.update()
    assert.deepEqual([versions['root'], versions['timestamp'], targets.length], [4, 4, 1])
  }
  assert.deepEqual((await here.check()).findings, [])
  // From now on the repository is like any other: the server renews it, and publishers publish here.
  world.wait(8 * DAY)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  owner.root = (
    JSON.parse(String((await fileOf(here.trust, 'root.json')).body)) as { signed: typeof owner.root }
  ).signed
  owner.addTarget('v2')
  const parts = owner.nextParts('targets')
  await publishOn(here, parts)
  assert.deepEqual(namesOf(await oldest.update()), ['targets v1', 'targets v2'])
})

test('clients that saw newer versions there need them adopted before the takeover, and the plan says so', async (t) => {
  const world = await move(t)
  const { there, here } = world
  let at = there
  const client = world.client(() => at)
  await world.adopt()
  for (let count = 0; count < 3; count += 1) {
    world.wait(8 * DAY)
    await renewDue(there.trust)
  }
  assert.equal((await client.update()).versions['timestamp'], 4)
  const { breaks = [] } = (await planRotation(here.trust, GUN, ['snapshot'], here.clock.now)) ?? {}
  assert.match(breaks.join('; '), /newer there are refused here: adopt it again first/)
  await world.adopt()
  await takeOver(world)
  at = here
  assert.equal((await client.update()).versions['timestamp'], 5)
  const late = await planRotation(here.trust, GUN, ['snapshot'], here.clock.now)
  assert.deepEqual(late?.breaks, [])
})

test('an owner who signs snapshots takes over in one step of their own', async (t) => {
  const world = await move(t, 'client')
  const { there, here, owner } = world
  let at = there
  const client = world.client(() => at)
  await client.update()
  await world.adopt()
  at = here
  owner.nameServerKey('timestamp', await localKeys(here.trust, GUN)('timestamp', 'current'))
  const parts = owner.nextParts('root')
  await publishOn(here, parts)
  assert.equal((await client.update()).versions['root'], 2)
  assert.deepEqual((await here.check()).findings, [])
})

test('a repository can be adopted again whenever the other server has something new', async (t) => {
  const world = await move(t)
  const { owner, there, here } = world
  await world.adopt()
  assert.equal((await world.adopt()).changed, false)
  const commits = here.trust.store.tail().number
  owner.addTarget('v2')
  await world.publish(owner.nextParts('targets'))
  const state = world.offer()
  world.wait(8 * DAY)
  await renewDue(there.trust)
  assert.equal((await world.adopt()).changed, true)
  assert.equal(here.trust.store.tail().number, commits + 1)
  assert.deepEqual(versionsHere(world), { root: 1, targets: 2, snapshot: 2, timestamp: 3 })
  // An older offer would be a rollback.
  await assert.rejects(world.adopt(state), { code: 'VERSION' })
  assert.deepEqual(versionsHere(world), { root: 1, targets: 2, snapshot: 2, timestamp: 3 })
})

for (const [how, harm] of Object.entries({ damaged: spoil, lost: lose })) {
  test(`adopting again puts back ${how} documents and reports no changed tag`, async (t) => {
    const here = await server(t)
    const { trust } = here
    const { documents, nextRoot, roots } = await made()
    nextRoot()
    const offered = documents()
    await adoptOn(here, offered)
    const before = trust.store.head(GUN)!
    const current = Object.entries(before.roles).map(([role, { sha256 }]) => ({ role: role as Role, sha256 }))
    for (const { role, sha256 } of [...current, { role: 'root' as const, sha256: sha256Of(roots[0]!.bytes) }]) {
      await harm(here, documentKey(GUN, role, sha256))
      assert.equal((await adoptOn(here, offered)).changed, true, role)
      assert.equal(trust.store.document(GUN, role, { sha256 })?.sha256, sha256)
      const [entry] = trust.store.journal({ gun: GUN, before: Infinity })
      assert.deepEqual(
        entry!.documents.map((document) => document.sha256),
        [sha256],
      )
      assert.deepEqual([entry!.changes, entry!.roles], [[], undefined])
    }
    assert.deepEqual(trust.store.head(GUN)!.roles, before.roles)
    assert.equal((await adoptOn(here, offered)).changed, false)
    if (how === 'damaged') assert.deepEqual((await here.check()).findings, [])
  })
}

test('a staged takeover root survives further adoptions until one of them brings a new root', async (t) => {
  const world = await move(t)
  const { owner, here } = world
  const { trust } = here
  await world.adopt()
  await stageRoot(trust, GUN, TEST_ACTOR, 'taken over', (head, now) =>
    prepareRotation(trust, GUN, head, now, ['snapshot']),
  )
  owner.addTarget('v2')
  await world.publish(owner.nextParts('targets'))
  await world.adopt()
  assert.equal(stagedRoot(trust, GUN)?.reason, 'taken over')
  // Staging another root would be refused.
  assert.match(
    (await describe(trust, GUN, NOW))!.warnings[0]!,
    /\. countersign root show .* --out FILE, which its owner signs$/,
  )
  owner.rotateRoot(NOW)
  await world.publish(owner.nextParts('root'))
  await world.adopt()
  assert.equal(stagedRoot(trust, GUN), undefined)
})

test('an offer of the same versions with other content is refused', async (t) => {
  const world = await move(t)
  const { owner } = world
  await world.adopt()
  const beside = world.offer()
  const targets = owner.fork()
  targets.addTarget('evil')
  const other = beside.map((each) => (each.role === 'targets' ? { ...each, bytes: targets.sign('targets') } : each))
  await assert.rejects(world.adopt(other), { code: 'VERSION' })
})

test('nothing from elsewhere replaces a repository that this server signs', async (t) => {
  const world = await move(t)
  await world.adopt()
  await takeOver(world)
  world.owner.addTarget('v2')
  await world.publish(world.owner.nextParts('targets'))
  await assert.rejects(world.adopt(), {
    code: 'WRONG_STATE',
    message: /elsewhere can replace it, such as targets version 2$/,
  })
})

test('where another repository of this name was begun, the refusal says how to give it up', async (t) => {
  const world = await move(t)
  const { trust } = world.here
  const other = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN), snapshot: 'server' })
  await publishOn(world.here, other.parts('root', 'targets'))
  await assert.rejects(world.adopt(), {
    code: 'WRONG_STATE',
    hint: /begun here; .* repo delete \S+, then adopt again$/,
  })
})

test('once this server signs, an offer that brings nothing new changes nothing, and is no error', async (t) => {
  const world = await move(t)
  await world.adopt()
  await takeOver(world)
  const before = versionsHere(world)
  const again = await world.adopt()
  assert.deepEqual([again.changed, again.signedHere, again.warnings], [false, true, []])
  // The other server renews what it signs.
  world.wait(15 * DAY)
  await fileOf(world.there.trust, 'timestamp.json')
  assert.equal((await world.adopt()).changed, false)
  assert.deepEqual(versionsHere(world), before)
})

test('an expired timestamp of another server is served unchanged, with a warning', async (t) => {
  const world = await move(t)
  const { here } = world
  await world.adopt()
  world.wait(15 * DAY)
  const { body } = await fileOf(here.trust, 'timestamp.json')
  assert.equal(sha256Of(body), here.trust.store.head(GUN)!.roles['timestamp']!.sha256)
  await assert.rejects(world.client(() => here).update(), /timestamp.*expired/)
  assert.match((await describe(here.trust, GUN, here.clock.now))!.warnings[0]!, /adopted, and not signed here yet/)
  assert.deepEqual(
    (await here.check()).findings.map(({ severity }) => severity),
    ['warning'],
  )
  // It can still be taken over.
  await takeOver(world)
  assert.deepEqual(namesOf(await world.client(() => here).update()), ['targets v1'])
})

test('an expired root is adopted with a warning while its certificates live, since a new root can follow it', async (t) => {
  const here = await server(t)
  const { owner, documents } = await made()
  owner.root.expires = timeText(NOW - DAY)
  const { warnings } = await adoptOn(here, documents())
  assert.deepEqual(warnings, ['root expired at 2026-11-27T08:00:00.000Z'])
  const client = clientOf(here)
  await assert.rejects(client.update(), /root.*expired/)
  const [shown] = (await describe(here.trust, GUN, here.clock.now))!.warnings
  assert.match(shown!, /not signed here yet: clients accept it until 2026-11-27\. countersign key rotate/)
  assert.deepEqual((await here.check()).findings, [{ severity: 'warning', gun: GUN, text: warnings[0] }])
  await takeOver({ here, owner })
  assert.deepEqual(namesOf(await client.update()), ['targets v1'])
  assert.deepEqual((await here.check()).findings, [])
})

test('before the takeover publishing is refused with the reason and changes nothing', async (t) => {
  for (const snapshot of ['server', 'client'] as const) {
    const world = await move(t, snapshot)
    const { here, owner } = world
    await world.adopt()
    const before = here.trust.store.head(GUN)?.roles
    const send = (parts: readonly Part[]): Promise<void> => publishOn(here, parts)
    const refused = {
      code: 'INVALID_UPDATE',
      problem: { name: 'ErrValidation' },
      message: /adopted from another server/,
    }
    // A client may repeat what is stored already.
    await send(world.offer().filter(({ role }) => role === 'targets'))
    owner.addTarget('v2')
    await assert.rejects(send(owner.nextParts('targets')), refused)
    // That is what docker sends for a tag that is signed already.
    await assert.rejects(send([]), refused)
    // notary's client rotates one key at a time.
    owner.nameServerKey('snapshot', await localKeys(here.trust, GUN)('snapshot', 'current'))
    await assert.rejects(send(owner.nextParts('root')), refused)
    assert.deepEqual(here.trust.store.head(GUN)?.roles, before)
  }
})

test('before the takeover the endings are the timestamp’s and the root certificates’, which are the deadline', async (t) => {
  const here = await server(t)
  const { owner, documents } = await made()
  owner.setKeys('root', [makeRootKey(GUN, NOW, { notAfter: NOW + 30 * DAY })])
  await adoptOn(here, documents())
  // No `notary key rotate` takes effect here before the takeover.
  const { warnings } = (await describe(here.trust, GUN, NOW))!
  assert.match(
    warnings.join(),
    /root certificates end on .*: first countersign key rotate \S+ snapshot, then its owner: /,
  )
  for (const day of [0, 20, 40]) {
    here.clock.now = NOW + day * DAY
    const ends = await allEndings(here.trust, here.clock.now + 36_500 * DAY)
    assert.deepEqual(
      ends.map(({ what, expires }) => [what, (expires - NOW) / DAY]),
      [
        ['timestamp', 14],
        ['root certificate', 30],
      ],
    )
  }
})

test('a repository adopted without a delegation, as from a cache, is readable once this server signs', async (t) => {
  const world = await move(t)
  const { here, owner } = world
  owner.delegate('targets/left', [makeKey('ecdsa')])
  owner.addTarget('old', 'targets/left')
  await world.publish(owner.nextParts('targets', 'targets/left'))
  const kept = world.offer().filter(({ role }) => role !== 'targets/left')
  const unread =
    'the snapshot names targets/left, which is not there: clients can read nothing until this server has signed another one'
  assert.deepEqual((await world.adopt(kept)).warnings, [unread])
  assert.deepEqual((await here.check()).findings, [{ severity: 'warning', gun: GUN, text: unread }])
  const { warnings = [] } = (await describe(here.trust, GUN, NOW)) ?? {}
  assert.match(
    String(warnings),
    /^adopted, and not signed here yet: clients cannot read it until then, without targets\/left\. /,
  )
  await assert.rejects(world.client(() => here).update(), /404/)

  // Adopting from a cache that lacks the delegation does not lose the stored one.
  assert.deepEqual((await world.adopt()).warnings, [])
  assert.equal((await world.adopt(kept)).changed, false)
  const client = world.client(() => here)
  assert.deepEqual(namesOf(await client.update()), ['targets v1', 'targets/left old'])

  const other = await move(t)
  other.owner.delegate('targets/left', [makeKey('ecdsa')])
  other.owner.addTarget('old', 'targets/left')
  await other.publish(other.owner.nextParts('targets', 'targets/left'))
  await other.adopt(other.offer().filter(({ role }) => role !== 'targets/left'))
  await takeOver(other)
  assert.deepEqual(namesOf(await other.client(() => other.here).update()), ['targets v1'])
  assert.deepEqual((await other.here.check()).findings, [])
})

for (const order of ['before', 'after', 'one after the other, after'] as const) {
  test(`with the other server's keys, imported ${order} adoption, a snapshot is made without that delegation`, async (t) => {
    const here = await server(t)
    const { owner, timestampKey, documents } = await made()
    owner.delegate('targets/left', [makeKey('ecdsa')])
    const kept = documents().filter(({ role }) => role !== 'targets/left')
    const importKeys = async (): Promise<void> => {
      await importFor(here, 'timestamp', timestampKey)
      if (order.startsWith('one')) {
        assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
        // Signed here, but unreadable.
        const text = 'a client would refuse it: the snapshot names targets/left, which is not there'
        assert.deepEqual((await here.check()).findings, [{ severity: 'error', gun: GUN, text }])
      }
      await importFor(here, 'snapshot', owner.signers.get('snapshot')![0]!)
    }
    if (order === 'before') await importKeys()
    await adoptOn(here, kept)
    if (order !== 'before') await importKeys()
    assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
    assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1'])
    assert.deepEqual((await here.check()).findings, [])
  })
}
