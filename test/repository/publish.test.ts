import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { change } from '../../src/repository/change.ts'
import { DecodedDocuments } from '../../src/repository/decoded.ts'
import { allEndings } from '../../src/repository/expiry.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { remove } from '../../src/repository/remove.ts'
import { describe } from '../../src/repository/show.ts'
import { stageRoot } from '../../src/repository/roots/stage.ts'
import { stagedRoot } from '../../src/repository/roots/staged.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { Turns } from '../../src/repository/turns.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { isDelegation } from '../../src/tuf/role.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { timeText } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const DAY = 86_400_000
const GUN = parseGun('example.org/publish')

const local = (t: TestContext): Promise<LocalTrust> => localTrustFor(t, NOW)

const send = ({ trust }: LocalTrust, parts: readonly Part[]): Promise<void> => localPublish(trust, GUN, parts)

async function world({ trust }: LocalTrust, snapshot: 'client' | 'server' = 'server'): Promise<TrustWorld> {
  return TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN), snapshot })
}

test('publishes to independent delegations at the same moment all succeed', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  const roles = Array.from({ length: 16 }, (_, index) => `targets/d${index}`)
  for (const role of roles) publisher.delegate(role, [makeKey('ecdsa')])
  await send(here, publisher.parts('root', 'targets'))
  for (const role of roles) publisher.addTarget(`in ${role}`, role)
  await Promise.all(roles.map((role) => send(here, publisher.nextParts(role))))
  const head = here.trust.store.head(GUN)
  assert.equal(head?.roles['snapshot']?.version, 1 + roles.length)
  assert.deepEqual((await here.check()).findings, [])
})

test('uploading the same bytes again is no error and changes nothing, also beside new ones', async (t) => {
  for (const snapshot of ['client', 'server'] as const) {
    const here = await localTrustFor(t, NOW)
    const publisher = await world(here, snapshot)
    const first = publisher.parts('root', 'targets')
    await send(here, first)
    const { number } = here.trust.store.tail()
    await send(here, first)
    await send(here, first.slice(1))
    if (snapshot === 'server') await send(here, [])
    assert.equal(here.trust.store.tail().number, number)
    publisher.delegate('targets/releases', [makeKey('ed25519')])
    await send(here, [...first.filter(({ role }) => role === 'root'), ...publisher.nextParts('targets')])
    assert.equal(here.trust.store.head(GUN)?.roles['targets']?.version, 2)
    // Repeating what is no longer current is a replay.
    await assert.rejects(send(here, first), { code: 'VERSION' })
  }
})

test('a first upload may have any version, as when it comes from another server; later ones may not jump', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  publisher.targets.version = 57
  await send(here, publisher.parts('root', 'targets'))
  publisher.targets.version = 68
  await assert.rejects(send(here, publisher.parts('targets')), {
    code: 'INVALID_UPDATE',
    message: /more than 10 above/,
  })
  publisher.targets.version = 67
  await send(here, publisher.parts('targets'))
})

test('a late publisher is told of the newer version, not that the snapshot or targets are wrong', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'client')
  for (const role of ['targets/a', 'targets/b']) publisher.delegate(role, [makeKey('ecdsa')])
  await send(here, publisher.parts('root', 'targets'))
  const late = publisher.fork()
  await send(here, publisher.nextParts('targets/a'))
  const refused = (what: string): object => ({ code: 'VERSION', message: new RegExp(`^${what} is not newer than`) })
  await assert.rejects(send(here, late.nextParts('targets/b')), refused('snapshot version 2'))

  const lateOwner = publisher.fork()
  publisher.setKeys('targets', [makeKey('ecdsa')])
  await send(here, publisher.nextParts('root', 'targets'))
  lateOwner.rotateRoot(NOW)
  await assert.rejects(send(here, lateOwner.nextParts('root')), refused('root version 2'))
})

test('a delegate who cannot verify the earlier document and starts over is told how to continue from it', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'server')
  publisher.delegate('targets/a', [makeKey('ecdsa')])
  await send(here, publisher.parts('root', 'targets'))
  const delegate = publisher.fork()
  await send(here, publisher.nextParts('targets/a'))
  const late = {
    code: 'VERSION',
    message: /^targets\/a version 1 is not newer than version 1, which is stored already: .* first, so do it again$/,
  }
  delegate.addTarget('v2', 'targets/a')
  await assert.rejects(send(here, delegate.nextParts('targets/a')), late)

  delegate.delegate('targets/a', [makeKey('ecdsa')])
  await send(here, delegate.nextParts('targets'))
  const witness = `whoever signs it now goes on from that with notary reset ${GUN} --all, then notary witness -p ${GUN} targets/a`
  await assert.rejects(send(here, delegate.parts('targets/a')), { code: 'VERSION', message: new RegExp(`${witness}$`) })
  await send(here, delegate.nextParts('targets/a'))
})

test('who starts a delegation over in a publish that delegates to it is told how else to change it', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'server')
  const key = makeKey('ecdsa')
  publisher.delegate('targets/a', [key])
  await send(here, publisher.parts('root', 'targets'))
  for (const version of [1, 2]) {
    publisher.payload('targets/a').version = version
    await send(here, publisher.parts('targets/a'))
  }
  const anew = publisher.fork()
  anew.delegate('targets/a', [key], { paths: ['v'] })
  anew.payload('targets/a').version = 0
  await assert.rejects(send(here, anew.nextParts('targets', 'targets/a')), {
    code: 'VERSION',
    message: new RegExp(`: either another publish came first, so do it again; or this one .*reset ${GUN} --all, and`),
  })
  // From then on the stored document has moved on: this one is only late.
  anew.payload('targets/a').version = 2
  await assert.rejects(send(here, anew.parts('targets', 'targets/a')), {
    code: 'VERSION',
    message: /already: another publish came first, so do it again$/,
  })
})

test('a client’s snapshot may drop a delegation in the publish that removes it from its parent, not while in force', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'client')
  for (const role of ['targets/a', 'targets/a/deep', 'targets/b']) publisher.delegate(role, [makeKey('ecdsa')])
  await send(here, publisher.parts('root', 'targets'))
  await send(here, publisher.nextParts('targets/a', 'targets/a/deep', 'targets/b'))
  const forgetful = publisher.fork()
  forgetful.files.delete('targets/a')
  forgetful.targets.version += 1
  forgetful.sign('targets')
  forgetful.files.set('targets', publisher.files.get('targets')!)
  await assert.rejects(send(here, [{ role: 'snapshot', bytes: forgetful.signSnapshot() }]), {
    code: 'INVALID_UPDATE',
    message: /no checksums for supported algorithms were provided for targets\/a/,
  })
  publisher.targets.delegations.roles = publisher.targets.delegations.roles.filter(({ name }) => name !== 'targets/a')
  for (const role of ['targets/a', 'targets/a/deep']) publisher.files.delete(role)
  await send(here, publisher.nextParts('targets'))
  const head = here.trust.store.head(GUN)
  assert.deepEqual([head?.roles['targets/a'], head?.roles['targets/a/deep']], [undefined, undefined])
  assert.equal(head?.highest['targets/a'], 1)
  // Its bytes are stored but no longer part of the repository.
  const late = publisher.fork()
  late.sign('targets/a')
  await assert.rejects(send(here, late.nextParts('targets')), {
    code: 'INVALID_UPDATE',
    message: 'snapshot names targets/a, which an earlier snapshot dropped: upload it again, or leave it out',
  })
  // What notary sends for `delegation remove` and `delegation add` in one publish.
  publisher.files.delete('targets/b')
  await send(here, publisher.nextParts('targets'))
  assert.equal(here.trust.store.head(GUN)?.roles['targets/b'], undefined)
  assert.deepEqual((await here.check()).findings, [])
})

test('a client’s snapshot may later drop a removed delegation and those below it, but none in force at any depth', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'client')
  const roles = ['targets/a', 'targets/b', 'targets/a/deep', 'targets/b/deep']
  for (const role of roles) publisher.delegate(role, [makeKey('ecdsa')])
  await send(here, publisher.parts('root', 'targets'))
  await send(here, publisher.nextParts(...roles))
  publisher.targets.delegations.roles = publisher.targets.delegations.roles.filter(({ name }) => name !== 'targets/a')
  await send(here, publisher.nextParts('targets'))
  const forgetful = publisher.fork()
  forgetful.files.delete('targets/b/deep')
  await assert.rejects(send(here, forgetful.nextParts()), {
    code: 'INVALID_UPDATE',
    message: /no checksums for supported algorithms were provided for targets\/b\/deep/,
  })
  for (const role of ['targets/a', 'targets/a/deep']) publisher.files.delete(role)
  await send(here, publisher.nextParts())
  const current = Object.keys(here.trust.store.head(GUN)?.roles ?? {})
  assert.deepEqual(current.filter(isDelegation).toSorted(), ['targets/b', 'targets/b/deep'])
  assert.deepEqual((await here.check()).findings, [])
})

test('a delegate whose document expired, and whom docker lets start over, is told how to continue from it', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'server')
  publisher.delegate('targets/a', [makeKey('ecdsa')])
  publisher.delegations.get('targets/a')!.expires = timeText(NOW + 30 * DAY)
  await send(here, publisher.parts('root', 'targets'))
  const delegate = publisher.fork()
  await send(here, publisher.nextParts('targets/a'))
  here.clock.now += 31 * DAY
  delegate.delegations.get('targets/a')!.expires = timeText(NOW + 1095 * DAY)
  delegate.addTarget('v2', 'targets/a')
  const witness = `notary reset ${GUN} --all, then notary witness -p ${GUN} targets/a`
  await assert.rejects(send(here, delegate.nextParts('targets/a')), {
    code: 'VERSION',
    message: new RegExp(
      `, which is stored already, and has ended: whoever signs it now goes on from that with ${witness}$`,
    ),
  })
  await send(here, delegate.nextParts('targets/a'))
})

test('a delegation removed and added again at version 1 is told that only another name helps', async (t) => {
  const here = await local(t)
  const publisher = await world(here, 'client')
  const key = makeKey('ecdsa')
  publisher.delegate('targets/a', [key])
  await send(here, publisher.parts('root', 'targets'))
  await send(here, publisher.nextParts('targets/a'))
  publisher.targets.delegations.roles = []
  publisher.files.delete('targets/a')
  publisher.delegations.delete('targets/a')
  await send(here, publisher.nextParts('targets'))
  publisher.delegate('targets/a', [key])
  await send(here, publisher.nextParts('targets'))
  await assert.rejects(send(here, publisher.fork().nextParts('targets/a')), {
    code: 'VERSION',
    message: /^targets\/a version 1 is not newer than version 1, .* removed since: .* delegate to another name$/,
  })
  publisher.payload('targets/a').version += 1
  await send(here, publisher.nextParts('targets/a'))
  assert.deepEqual((await here.check()).findings, [])
})

test('a first upload of root alone is refused, also where the server makes the snapshot', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  const refused = { code: 'INVALID_UPDATE', problem: { name: 'ErrValidation' } }
  await assert.rejects(send(here, publisher.parts('root')), refused)
})

test('a root may not name a snapshot key that the server holds for another repository', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  publisher.nameServerKey('snapshot', await localKeys(here.trust, 'example.org/other')('snapshot', 'current'))
  const refused = { code: 'INVALID_UPDATE', problem: { name: 'ErrBadRoot' } }
  await assert.rejects(send(here, publisher.parts('root', 'targets')), refused)
})

test('a publisher is told to send the snapshot when the server holds too few of its keys', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  const { snapshot } = publisher.root.roles
  const own = makeKey('ecdsa')
  publisher.root.keys[own.id] = own.entry
  publisher.root.roles['snapshot'] = { keyids: [...snapshot!.keyids, own.id], threshold: 2 }
  const refused = { code: 'INVALID_UPDATE', problem: { name: 'ErrBadHierarchy', missing: 'snapshot' } }
  await assert.rejects(send(here, publisher.parts('root', 'targets')), refused)
})

test('expired targets block neither delegations below them nor the next root', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  publisher.delegate('targets/a', [makeKey('ecdsa')])
  publisher.targets.expires = timeText(NOW + DAY)
  await send(here, publisher.parts('root', 'targets'))
  here.clock.now += 2 * DAY
  await send(here, publisher.nextParts('targets/a'))
  await send(here, publisher.nextParts('root'))
})

test('after a delete the versions of delegations and targets start over', async (t) => {
  const here = await local(t)
  for (let life = 0; life < 2; life += 1) {
    const publisher = await world(here)
    publisher.delegate('targets/a', [makeKey('ecdsa')])
    await send(here, publisher.parts('root', 'targets'))
    for (let round = 0; round < 2; round += 1) await send(here, publisher.nextParts('targets', 'targets/a'))
    assert.equal(here.trust.store.head(GUN)?.highest['targets/a'], 2)
    await remove(here.trust, GUN, TEST_ACTOR)
  }
})

test('a staged root stays staged when targets are published', async (t) => {
  const here = await local(t)
  const { trust } = here
  const publisher = await world(here)
  await send(here, publisher.parts('root', 'targets'))
  await stageRoot(trust, GUN, TEST_ACTOR, 'a test', (head, now) =>
    prepareRotation(trust, GUN, head, now, ['timestamp']),
  )
  await send(here, publisher.nextParts('targets'))
  assert.equal(stagedRoot(trust, GUN)?.reason, 'a test')
})

test('after the root certificates have expired nothing is accepted, not even a root signed by old and new keys', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  publisher.setKeys('root', [makeRootKey(GUN, NOW, { notAfter: NOW + DAY })])
  await send(here, publisher.parts('root', 'targets'))
  here.clock.now += 2 * DAY
  const refused = { code: 'INVALID_UPDATE', problem: { name: 'ErrBadRoot' }, message: /stored root have expired/ }
  await assert.rejects(send(here, publisher.nextParts('targets')), refused)
  publisher.rotateRoot(here.clock.now)
  await assert.rejects(send(here, publisher.nextParts('root')), refused)
})

test('decoded documents do not keep the request body of their upload in memory', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  const request = Buffer.alloc(1024 * 1024)
  const parts = publisher.parts('root', 'targets').map(({ role, bytes }, index) => {
    const begin = index * 100_000
    request.set(bytes, begin)
    return { role, bytes: request.subarray(begin, begin + bytes.length) }
  })
  await send(here, parts)
  for (const role of ['root', 'targets'] as const) {
    const kept = here.trust.decoded.last(GUN, role)
    assert.ok(kept !== undefined && kept.bytes.buffer.byteLength === kept.bytes.length, role)
    assert.ok(kept.message().buffer.byteLength < request.length, role)
  }
})

test('describe lists roles, keys, tags and warnings; allEndings lists what expires', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  publisher.delegate('targets/releases', [makeKey('ecdsa')], { paths: ['v'] })
  publisher.targets.expires = timeText(NOW + 30 * DAY)
  await send(here, publisher.parts('root', 'targets'))
  const description = await describe(here.trust, GUN, NOW)
  assert.deepEqual(
    description?.roles.map(({ role, version, keys }) => [role, version, keys[0]?.holder]),
    [
      ['root', 1, 'client'],
      ['targets', 1, 'client'],
      ['snapshot', 1, 'server'],
      ['timestamp', 1, 'server'],
    ],
  )
  assert.deepEqual(
    description?.delegations.map(({ role, version, paths }) => [role, version, paths]),
    [['targets/releases', 0, ['v']]],
  )
  assert.deepEqual(
    description?.tags.map(({ tag, role }) => [tag, role]),
    [['v1', 'targets']],
  )
  assert.deepEqual(description?.warnings, [])
  assert.deepEqual(
    (await allEndings(here.trust, NOW + 60 * DAY)).map(({ gun, what }) => [gun, what]),
    [[GUN, 'targets']],
  )
  assert.match((await describe(here.trust, GUN, NOW + 31 * DAY))?.warnings.join() ?? '', /targets expired/)
})

test('the description warns of roles that nobody can sign and of repositories that clients refuse', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  // As `notary delegation purge` leaves it.
  publisher.delegate('targets/purged', [])
  await send(here, publisher.parts('root', 'targets'))
  const warnings = async (now: number): Promise<readonly string[]> =>
    (await describe(here.trust, GUN, now))?.warnings ?? []
  assert.deepEqual(await warnings(NOW), ['targets/purged has fewer keys than its threshold: nobody can sign it'])
  assert.match(
    (await warnings(NOW + 20 * 365 * DAY)).join(),
    /root certificates have expired: clients refuse this repository/,
  )
})

test('a publish builds on what another thread published, whatever this one has decoded', async (t) => {
  const here = await local(t)
  const publisher = await world(here)
  await send(here, publisher.parts('root', 'targets'))
  publisher.delegate('targets/a', [makeKey('ecdsa')])
  await localPublish({ ...here.trust, decoded: new DecodedDocuments() }, GUN, publisher.nextParts('targets'))
  await send(here, publisher.nextParts('targets/a'))
  assert.deepEqual((await here.check()).findings, [])
})

test('a change overtaken by another writer is computed again from the new state, but not for ever', async (t) => {
  const { trust } = await local(t)
  const another = { ...trust, turns: new Turns(1) }
  const write = (by: Trust, compute: () => Promise<unknown>): Promise<boolean> =>
    change(by, GUN, async () => {
      await compute()
      return { kind: 'record', actor: TEST_ACTOR, records: [] }
    })
  const computed = async (overtaken: number): Promise<number> => {
    let times = 0
    await write(trust, async () => {
      times += 1
      if (times <= overtaken) await write(another, async () => undefined)
    })
    return times
  }
  assert.equal(await computed(3), 4)
  await assert.rejects(computed(Infinity), { code: 'CONFLICT' })
})

test('turns run one after the other; a limited number may wait, others get BUSY', async () => {
  const turns = new Turns(2)
  const order: number[] = []
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const ask = (number: number): Promise<void> =>
    turns.take(GUN, async () => {
      await gate
      order.push(number)
    })
  const running = [ask(1), ask(2), ask(3)]
  await assert.rejects(ask(4), { code: 'BUSY' })
  await turns.take(parseGun('another'), async () => order.push(0))
  release()
  await Promise.all(running)
  assert.deepEqual(order, [0, 1, 2, 3])
  await ask(5)
})
