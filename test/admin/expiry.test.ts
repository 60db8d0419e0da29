import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOCAL } from '../../src/access/permission.ts'
import { showExpiry } from '../../src/admin/expiry.ts'
import type { z } from 'zod'
import { parsed, type World } from '../../src/admin/operation.ts'
import { showRepository } from '../../src/admin/repositories.ts'
import { saveRootKey } from '../../src/admin/root-keys.ts'
import { planRoot, stageNextRoot } from '../../src/admin/roots.ts'
import { TrustError } from '../../src/errors.ts'
import { importKey } from '../../src/repository/import-key.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { discardStagedRoot } from '../../src/repository/roots/stage.ts'
import { createSigner, removeSigner } from '../../src/repository/signers/signers.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import { clientOf, GUN as APP, importFor, move, namesOf, NOW, publishOn, takeOver } from '../support/adoption.ts'
import { localKeys, localPublish, localTrustFor, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { A, GUN, named, owned, withSigner } from '../support/owned-repository.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { timeText } from '../support/metadata-file.ts'
import { makeKey, type TestKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

const DAY = 86_400_000

const isCertificate = ({ what }: { what: string }): boolean => what === 'root certificate'

const NEW_CA = 'stop the server, remove tls/ in its keys directory, start it, give clients the new tls/ca.crt'

const SEALED = {
  derivation: { name: 'argon2id' as const, salt: '', memory: 1, passes: 1, lanes: 1 },
  sealed: '',
}

function worldOf({ trust }: LocalTrust, certificates: World['certificates']): World {
  return {
    trust,
    asker: () => LOCAL,
    keyFault: async () => undefined,
    check: () => assert.fail(),
    backUp: () => assert.fail(),
    keysFault: () => assert.fail(),
    certificates,
    keyAge: 90 * DAY,
    rehearsalSigner: trust.signer,
  }
}

test('each row says what the holder of the key can do', async (t) => {
  const owned = await withSigner(t)
  const { here, owner, send, sign } = owned
  const { trust, clock } = here
  await sign('v2', A)
  owner.delegate('targets/alice', [makeKey('ecdsa')])
  owner.addTarget('v3', 'targets/alice')
  await send(owner.nextParts('targets', 'targets/alice'))
  const [pair] = owner.signers.get('root') ?? []
  assert.ok(pair)
  const made = [
    { what: 'server certificate', expires: clock.now + 100 * DAY },
    { what: 'server CA', expires: clock.now + 900 * DAY },
  ]
  let certificates = made
  const world = worldOf(here, async () => certificates)
  const told = async (): Promise<Record<string, string>> => {
    const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
    return Object.fromEntries(rows.map(({ what, todo }) => [what, todo]))
  }
  const holder = async (): Promise<string | undefined> =>
    (await showRepository.run(world, { gun: GUN }, TEST_ACTOR)).roles[0]?.keys[0]?.holder
  const byOwner = {
    'server certificate': 'nothing: the server makes a new one in the last 90 days',
    'server CA': NEW_CA,
    root: `its owner: notary key rotate ${GUN} root`,
    'root certificate': `its owner: notary key rotate ${GUN} root`,
    targets: `its owner: notary witness -p ${GUN} targets, or docker trust signer add, with a new signer or one that is there`,
    'targets/ci': `countersign tag sign ${GUN} TAG --as ci, a tag that it has signed`,
    'targets/releases': `countersign tag sign ${GUN} TAG --as ci, a tag that it has signed`,
    'targets/alice': `whoever signs it: docker trust sign of a tag not signed yet, or notary witness -p ${GUN} targets/alice`,
    snapshot: 'nothing: the server re-signs it by itself',
    'snapshot key': `its owner: notary key rotate ${GUN} snapshot -r`,
    'timestamp key': `its owner: notary key rotate ${GUN} timestamp -r`,
  }
  assert.deepEqual(await told(), byOwner)
  assert.equal(await holder(), 'client')

  // The root key gets a name here, first as an offline key, then sealed.
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const save = (sealed: typeof SEALED | null): Promise<unknown> =>
    saveRootKey.run(world, { name: 'alice', public: publicKey, sealed, certificates: {} }, TEST_ACTOR)
  await save(null)
  const renew = `countersign key rotate ${GUN} root --renew`
  assert.equal((await told())['root certificate'], `countersign root import NAME FILE, then ${renew}`)
  assert.equal(await holder(), 'offline')
  await save(SEALED)
  const { root, 'timestamp key': aged } = await told()
  assert.deepEqual([root, aged], [renew, `countersign key rotate ${GUN} timestamp`])
  assert.equal(await holder(), 'sealed here')

  // After expiry no renewal is accepted.
  const [today, ended] = [clock.now, (await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)).find(isCertificate)]
  clock.now = Date.parse(ended?.ends ?? '')
  const late = await told()
  const tooLate = `too late: countersign repo delete ${GUN}, then a new repository; every client must forget this one`
  for (const what of ['root certificate', 'root', 'targets']) assert.equal(late[what], tooLate)
  // Nobody can rotate a key either, and the log would ask for it every day.
  assert.equal(late['timestamp key'], undefined)
  clock.now = today

  certificates = made.slice(0, 1)
  await removeSigner(trust, 'ci', TEST_ACTOR)
  const { 'server certificate': own, 'targets/ci': left } = await told()
  assert.match(own ?? '', /tls\.certificateFile/)
  // Nobody else has its key.
  assert.equal(left, `its owner: notary delegation purge -p ${GUN} --key ${owned.key.id}`)
  await createSigner(trust, 'ci', TEST_ACTOR)
  assert.equal((await told())['targets/ci'], `its owner: docker trust signer add --key ci.pem ci ${GUN}`)

  // With one damaged list of keys, all other rows still say what to do.
  const keys = (): never => {
    throw new TrustError('CORRUPT', 'a stored record is damaged')
  }
  const { keyAge: _, ...ageless } = world
  const damaged: World = { ...ageless, trust: { ...trust, store: { ...trust.store, keys } } }
  const rows = await showExpiry.run(damaged, { days: 36_500 }, TEST_ACTOR)
  const said = Object.fromEntries(rows.map(({ what, todo }) => [what, todo]))
  assert.equal(said['targets'], 'countersign check; stop, countersign repair')
  assert.equal(said['server certificate'], own)
})

test('a root that has ended, which no client can renew, is renewed by the next one that is made here', async (t) => {
  const { there, owner, publish, client, wait } = await move(t)
  owner.root.expires = timeText(NOW + 5 * DAY)
  await publish(owner.nextParts('root'))
  const reader = client(() => there)
  await reader.update()
  const told = async (): Promise<string | undefined> => {
    const rows = await showExpiry.run(
      worldOf(there, async () => []),
      { days: 36_500 },
      TEST_ACTOR,
    )
    return rows.find(({ what }) => what === 'root')?.todo
  }
  assert.equal(await told(), `its owner: notary key rotate ${APP} root`)
  wait(6 * DAY)
  await assert.rejects(reader.update(), /root expired/)
  assert.equal(await told(), `countersign key rotate ${APP} snapshot --stage, and its owner signs that root`)
  await takeOver({ here: there, owner })
  await reader.update()
  await client(() => there).update()
})

test('a root that waits for signatures comes first, because only one can wait at a time', async (t) => {
  const { here, owner } = await withSigner(t)
  const { trust, clock } = here
  const [pair] = owner.signers.get('root') ?? []
  assert.ok(pair)
  const world = worldOf(here, async () => [])
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const save = (sealed: typeof SEALED | null): Promise<unknown> =>
    saveRootKey.run(world, { name: 'alice', public: publicKey, sealed, certificates: {} }, TEST_ACTOR)
  const stage = (input: z.input<typeof stageNextRoot.input>['change']): Promise<unknown> =>
    stageNextRoot.run(world, parsed(stageNextRoot, { gun: GUN, change: input }), TEST_ACTOR)
  const told = async (): Promise<string | undefined> => {
    const ending = (await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)).find(isCertificate)
    const today = clock.now
    clock.now = Date.parse(ending?.ends ?? '') - DAY
    const { warnings } = await showRepository.run(world, { gun: GUN }, TEST_ACTOR)
    clock.now = today
    assert.ok(warnings.some((warning) => warning.endsWith(`refuse this repository: ${ending?.todo}`)))
    return ending?.todo
  }
  const [sign, renew] = [`countersign root sign ${GUN}`, `countersign key rotate ${GUN} root --renew`]
  // Key rotation by age stages such a root.
  await stage({ what: 'keys', roles: ['timestamp'] })
  const { public: renewed } = await issueRootCertificate(pair.privateKey, GUN, clock.now + 30 * DAY)
  const renewal = { what: 'root' as const, certificates: [renewed] }
  await assert.rejects(stage(renewal), { code: 'WRONG_STATE' })
  assert.equal(await told(), `its owner: notary key rotate ${GUN} root`, "the owner's root takes its place")
  await save(null)
  const byOwner = `countersign root show ${GUN} --out FILE, which its owner signs`
  assert.equal(await told(), `first ${byOwner}, then countersign root import NAME FILE, then ${renew}`)
  await save(SEALED)
  assert.equal(await told(), `first ${sign}, then ${renew}`)
  await discardStagedRoot(trust, GUN, TEST_ACTOR)
  assert.equal(await told(), renew)
  clock.now += 31 * DAY
  await stage(renewal)
  assert.equal(await told(), sign, 'this root renews the certificates itself')
})

test('where the publisher signs the snapshot, only the publisher can rotate the timestamp key, whoever has root', async (t) => {
  const now = Date.parse('2026-11-24T08:00:00.000Z')
  const here = await localTrustFor(t, now)
  const owner = await TrustWorld.create({ gun: GUN, now, serverKeys: localKeys(here.trust, GUN) })
  await localPublish(here.trust, GUN, owner.parts('root', 'targets', 'snapshot'))
  const world = worldOf(here, async () => [])
  const publicKey = owner.signers.get('root')?.[0]?.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const key = { name: 'alice', public: publicKey ?? '', sealed: SEALED, certificates: {} }
  await saveRootKey.run(world, key, TEST_ACTOR)
  const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
  const aged = rows.find(({ what }) => what === 'timestamp key')
  assert.equal(aged?.todo, `its owner: notary key rotate ${GUN} timestamp -r`)

  // A new root needs a new snapshot, so this one must bring a snapshot key or be refused.
  const renew = `countersign key rotate ${GUN} root snapshot --renew`
  for (const what of ['root', 'root certificate']) assert.equal(rows.find((row) => row.what === what)?.todo, renew)
  const { obstacles } = await planRoot.run(world, { gun: GUN, roles: ['root'] }, TEST_ACTOR)
  assert.match(String(obstacles), /^the snapshot key is with the publisher/)
  const both = await planRoot.run(world, { gun: GUN, roles: ['root', 'snapshot'] }, TEST_ACTOR)
  assert.deepEqual(both.obstacles, [])
})

test('expired targets and snapshots are for the server to sign, expired delegations for notary witness', async (t) => {
  const here = await localTrustFor(t, NOW)
  const owner = await TrustWorld.create({ gun: APP, now: NOW, serverKeys: localKeys(here.trust, APP) })
  owner.delegate('targets/alice', [makeKey('ecdsa')])
  for (const role of ['targets', 'targets/alice']) owner.payload(role).version = 1
  await publishOn(here, owner.parts('root', 'targets', 'targets/alice'))
  const world = worldOf(here, async () => [])
  const told = async (): Promise<Record<string, string>> => {
    const rows = await showExpiry.run(world, { days: 0 }, TEST_ACTOR)
    return Object.fromEntries(rows.flatMap(({ what, todo }) => (what.endsWith(' key') ? [] : [[what, todo]])))
  }
  here.clock.now += 4 * 365 * DAY
  await renewDue(here.trust)
  await assert.rejects(clientOf(here).update(), /snapshot expired/)
  const rotate = `countersign key rotate ${APP} snapshot --stage, and its owner signs that root`
  const give = `countersign key import ${APP} targets --file FILE, the owner's key file`
  const witness = `whoever signs it: notary witness -p ${APP} targets/alice`
  assert.deepEqual(await told(), { snapshot: rotate, targets: `${rotate}; then ${give}`, 'targets/alice': witness })

  await takeOver({ here, owner })
  await assert.rejects(clientOf(here).update(), /targets expired/)
  assert.deepEqual(await told(), { targets: give, 'targets/alice': witness })

  await importFor(here, 'targets', owner.signers.get('targets')![0]!)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  assert.deepEqual(await told(), { 'targets/alice': witness })
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1'])
})

test('a root that gives the server the snapshot key renews expired targets, too, if the server has their key', async (t) => {
  const here = await localTrustFor(t, NOW)
  const owner = await TrustWorld.create({ gun: APP, now: NOW, serverKeys: localKeys(here.trust, APP) })
  await publishOn(here, owner.parts('root', 'targets'))
  here.clock.now += 4 * 365 * DAY
  await importFor(here, 'targets', owner.signers.get('targets')![0]!)
  await takeOver({ here, owner })
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1'])
  // The server was off for years: a read comes before the first round of renewals.
  here.clock.now += 4 * 365 * DAY
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1'])
})

test('renewing by a signer or an imported key needs the snapshot key, so the publisher must hand it over first', async (t) => {
  const now = Date.parse('2026-11-24T08:00:00.000Z')
  const here = await localTrustFor(t, now)
  const { trust } = here
  const owner = await TrustWorld.create({ gun: GUN, now, serverKeys: localKeys(trust, GUN) })
  const mine = makeKey('ecdsa')
  const [ci, bot] = [await createSigner(trust, 'ci', TEST_ACTOR), await createSigner(trust, 'bot', TEST_ACTOR)].map(
    named,
  )
  owner.delegate('targets/ci', [mine, ci!])
  // Neither side can sign this one alone.
  owner.delegate('targets/both', [mine, makeKey('ecdsa'), ci!, bot!], { threshold: 2 })
  owner.signers.set('targets/ci', [mine])
  owner.signers.set('targets/both', owner.signers.get('targets/both')!.slice(0, 2))
  // Signers sign in no delegation below another one.
  owner.delegate('targets/ci/below', [mine, ci!])
  owner.signers.set('targets/ci/below', [mine])
  const roles = ['targets/ci', 'targets/ci/below', 'targets/both']
  for (const role of roles) owner.payload(role).version = 1
  await localPublish(trust, GUN, owner.parts('root', 'targets', ...roles))
  const give = (role: 'targets' | 'targets/ci', { privateKey }: TestKey): Promise<unknown> => {
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    return importKey(trust, GUN, role, (trust.signer as FileSigner).importKey(GUN, role, pkcs8), TEST_ACTOR)
  }
  await give('targets', owner.signers.get('targets')![0]!)
  await give('targets/ci', mine)
  const ask = async (): Promise<Record<string, string>> => {
    const rows = await showExpiry.run(
      worldOf(here, async () => []),
      { days: 36_500 },
      TEST_ACTOR,
    )
    return Object.fromEntries(rows.map(({ what, todo }) => [what, todo]))
  }
  const told = await ask()
  const first = `its owner: notary key rotate ${GUN} snapshot -r; then countersign`
  assert.equal(told['targets/ci'], `${first} tag sign ${GUN} TAG --as ci, a tag that it has signed`)
  for (const role of ['targets/both', 'targets/ci/below']) assert.match(told[role] ?? '', /^whoever signs it/)
  assert.equal(told['targets key'], `${first} key rotate ${GUN} targets --stage, and its owner signs that root`)
  // Without the signer, the other key still signs.
  await removeSigner(trust, 'ci', TEST_ACTOR)
  assert.match((await ask())['targets/ci'] ?? '', /^whoever signs it/)
})

test('missing keys are replaced by the next root, whoever signs it; where the publisher signs the snapshot, by the publisher', async (t) => {
  const { here } = await owned(t)
  const other = 'example.org/snapshot-with-owner'
  const owner = await TrustWorld.create({ gun: other, now: here.clock.now, serverKeys: localKeys(here.trust, other) })
  await localPublish(here.trust, parseGun(other), owner.parts('root', 'targets', 'snapshot'))
  const keyFault: World['keyFault'] = async ({ role }) => (role === 'timestamp' ? 'it is lost' : undefined)
  const world = { ...worldOf(here, async () => []), keyFault }
  const told = async (): Promise<string[]> => (await showExpiry.run(world, { days: 0 }, TEST_ACTOR)).map(rowText)
  const rowText = ({ gun, what, todo }: { gun: string | null; what: string; todo: string }): string =>
    `${gun} ${what}: ${todo}`
  const why = 'missing keys: the timestamp key cannot be used: it is lost; if it is lost:'
  assert.deepEqual(await told(), [
    `${GUN} ${why} countersign key rotate ${GUN} server-managed --stage, and its owner signs that root`,
    `${other} ${why} its owner: notary key rotate ${other} timestamp -r`,
  ])
  // Once the root certificates have ended, nothing helps.
  here.clock.now += 11 * 365 * DAY
  assert.deepEqual(
    (await told()).filter((row) => row.includes('missing keys')),
    [],
  )
})

test('what counts as ending now is listed among what has ended, however long the look took', async (t) => {
  const { here } = await owned(t)
  const unreadable = { what: 'server CA, which cannot be read', expires: here.clock.now + 1_000 }
  const world = worldOf(here, async () => {
    here.clock.now = unreadable.expires
    return [unreadable]
  })
  const rows = await showExpiry.run(world, { days: 0 }, TEST_ACTOR)
  assert.deepEqual(
    rows.map(({ what, daysLeft }) => [what, daysLeft]),
    [[unreadable.what, 0]],
  )
})

test('a removed delegation and those below it are listed no more', async (t) => {
  const { here, owner, send, sign } = await withSigner(t)
  await sign('v2', A)
  const key = makeKey('ecdsa')
  for (const name of ['targets/alice', 'targets/alice/deeper']) owner.delegate(name, [key])
  await send(owner.nextParts('targets', 'targets/alice', 'targets/alice/deeper'))
  const world = worldOf(here, async () => [])
  const delegations = async (): Promise<string[]> => {
    const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
    return rows.map(({ what }) => what).filter((what) => what.startsWith('targets/'))
  }
  const kept = ['targets/ci', 'targets/releases']
  assert.deepEqual((await delegations()).toSorted(), ['targets/alice', 'targets/alice/deeper', ...kept])
  const { delegations: named } = owner.targets
  named.roles = named.roles.filter(({ name }) => name !== 'targets/alice')
  await send(owner.nextParts('targets'))
  assert.deepEqual((await delegations()).toSorted(), kept)
  // Past the expiry of all of them.
  here.clock.now += 4 * 365 * DAY
  const { findings } = await here.check()
  assert.deepEqual(findings.flatMap(({ text }) => /^(targets\S*) expired/.exec(text)?.[1] ?? []).toSorted(), [
    'targets',
    ...kept,
  ])
})

test('a delegating document is read once, however many delegations it has', async (t) => {
  const { here, owner, send } = await withSigner(t)
  const key = makeKey('ecdsa')
  const names = Array.from({ length: 100 }, (_, index) => `targets/d${index}`)
  for (const name of names) owner.delegate(name, [key])
  await send(owner.nextParts('targets', ...names))
  const world = worldOf(here, async () => [])
  const read = t.mock.method(here.trust.store, 'document')
  const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
  assert.equal(rows.filter(({ what, todo }) => names.includes(what) && todo.startsWith('whoever signs it')).length, 100)
  assert.ok(read.mock.callCount() < 20, `${read.mock.callCount()} documents were read`)
})
