import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { adopt, type Adopted } from '../../src/repository/adopt.ts'
import type { ForeignDocument } from '../../src/repository/offered.ts'
import { prepareRootChange, prepareRotation, type PreparedRoot } from '../../src/repository/prepare-root.ts'
import { publish } from '../../src/repository/publish.ts'
import { publishStagedRoot } from '../../src/repository/publish-root.ts'
import { readCurrent } from '../../src/repository/read.ts'
import { remove } from '../../src/repository/remove.ts'
import { importKey, type Imported } from '../../src/repository/import-key.ts'
import { planRotation } from '../../src/repository/rotation-plan.ts'
import { renewDue } from '../../src/repository/renew-loop.ts'
import { renew } from '../../src/repository/renew.ts'
import { describe } from '../../src/repository/show.ts'
import { stageRoot, signStagedRoot } from '../../src/repository/staged-root.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { Head } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import type { PublicKey } from '../../src/tuf/key.ts'
import type { Role } from '../../src/tuf/role.ts'
import { localKeys, openLocalTrust, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { fileMeta, signedFile, timeText } from '../support/metadata-file.ts'
import { ReferenceClient, type View } from '../support/reference-client.ts'
import { makeKey, makeRootKey, type TestKey } from '../support/test-key.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

const DAY = 86_400_000
const NOW = Date.parse('2026-11-28T08:00:00.000Z')
const GUN = parseGun('docker.io/acme/app')

/** A server that ends soon, a repository on it, its owner; and the server that is to go on. */
interface Move {
  readonly there: LocalTrust
  readonly here: LocalTrust
  readonly owner: TrustWorld
  /** The owner publishes there. */
  readonly publish: (parts: readonly Part[]) => Promise<void>
  /** All that is there now, old roots too. */
  readonly offer: () => ForeignDocument[]
  readonly adopt: (documents?: readonly ForeignDocument[], trusted?: string) => Promise<Adopted>
  /** A client that keeps what it has read, on whichever server `at` says. */
  readonly client: (at: () => LocalTrust) => ReferenceClient
  readonly wait: (milliseconds: number) => void
}

async function move(t: TestContext, snapshot: 'server' | 'client' = 'server'): Promise<Move> {
  const there = await openLocalTrust(NOW)
  t.after(() => there.close())
  const here = await openLocalTrust(NOW)
  t.after(() => here.close())
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(there.trust, GUN), snapshot })
  const publishTo = (trust: Trust) => (parts: readonly Part[]) =>
    publish(
      trust,
      GUN,
      parts.map(({ role, bytes }) => ({ filename: role, bytes })),
      TEST_ACTOR,
    )
  await publishTo(there.trust)(owner.parts('root', 'targets'))
  const offer = (): ForeignDocument[] => allOf(there.trust)
  return {
    there,
    here,
    owner,
    publish: publishTo(there.trust),
    offer,
    adopt: (documents = offer(), trusted?: string) => adopt(here.trust, GUN, documents, trusted, TEST_ACTOR),
    client: (at) =>
      new ReferenceClient(
        GUN,
        (file) => fileOf(at().trust, file),
        () => here.clock.now,
      ),
    wait(milliseconds) {
      there.clock.now += milliseconds
      here.clock.now += milliseconds
    },
  }
}

function allOf({ store }: Trust): ForeignDocument[] {
  const roles = store.head(GUN)?.roles ?? {}
  const current = Object.entries(roles).map(([role, { sha256 }]) => ({
    role: role as Role,
    bytes: store.document(GUN, role as Role, { sha256 })!.bytes,
  }))
  const older = Array.from({ length: (roles['root']?.version ?? 1) - 1 }, (_, index) => index + 1)
  return [
    ...older
      .flatMap((version) => store.document(GUN, 'root', { version }) ?? [])
      .map(({ bytes }) => ({ role: 'root' as Role, bytes })),
    ...current,
  ]
}

async function fileOf(trust: Trust, file: string): Promise<{ status: number; body: Buffer }> {
  const [, version, role = '', sha256] = /^(?:(\d+)\.)?(.+?)(?:\.([0-9a-f]{64}))?\.json$/.exec(file) ?? []
  const found =
    version !== undefined
      ? trust.store.document(GUN, role as Role, { version: Number(version) })
      : sha256 !== undefined
        ? trust.store.document(GUN, role as Role, { sha256 })
        : await readCurrent(trust, GUN, role as Role)
  return found === undefined ? { status: 404, body: Buffer.alloc(0) } : { status: 200, body: Buffer.from(found.bytes) }
}

const namesOf = ({ targets }: View): string[] => targets.map(({ role, name }) => `${role} ${name}`)
const sha256Of = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex')
const versionsHere = ({ here }: Move): Record<string, number> =>
  Object.fromEntries(
    Object.entries(here.trust.store.head(GUN)?.roles ?? {}).map(([role, { version }]) => [role, version]),
  )

/** The server makes the next root, and the owner signs it, away from the server. */
async function takeOver(
  { here, owner }: Pick<Move, 'here' | 'owner'>,
  prepare = ({ trust, clock }: LocalTrust, head: Head | undefined): Promise<PreparedRoot> =>
    prepareRotation(trust, GUN, head, clock.now, ['snapshot']),
): Promise<number> {
  const { trust } = here
  await stageRoot(trust, GUN, TEST_ACTOR, 'taken over', (head) => prepare(here, head))
  const inForce = owner.signers.get('root')!.filter(({ id }) => owner.root.roles['root']!.keyids.includes(id))
  const staged = trust.store.record('staged-root', GUN) as { payload: Parameters<typeof signedFile>[0] }
  const { signatures } = JSON.parse(String(signedFile(staged.payload, inForce))) as {
    signatures: { keyid: string; method: string; sig: string }[]
  }
  await signStagedRoot(trust, GUN, signatures, TEST_ACTOR)
  return publishStagedRoot(trust, GUN, TEST_ACTOR)
}

test('an adopted repository is there byte for byte, and a client with a cache goes on', async (t) => {
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
  // From now on it is this server's like any other: it renews, and publishers publish here.
  world.wait(8 * DAY)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  owner.root = (
    JSON.parse(String((await fileOf(here.trust, 'root.json')).body)) as { signed: typeof owner.root }
  ).signed
  owner.addTarget('v2')
  const parts = owner.nextParts('targets')
  await publish(
    here.trust,
    GUN,
    parts.map(({ role, bytes }) => ({ filename: role, bytes })),
    TEST_ACTOR,
  )
  assert.deepEqual(namesOf(await oldest.update()), ['targets v1', 'targets v2'])
})

test('who saw newer versions there needs them adopted before the takeover, and the plan says so', async (t) => {
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
  const { breaks = [] } = planRotation(here.trust, GUN, 'snapshot', here.clock.now) ?? {}
  assert.match(breaks.join('; '), /newer there is refused here: adopt it once more first/)
  await world.adopt()
  await takeOver(world)
  at = here
  assert.equal((await client.update()).versions['timestamp'], 5)
  const late = planRotation(here.trust, GUN, 'snapshot', here.clock.now)
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
  await publish(
    here.trust,
    GUN,
    parts.map(({ role, bytes }) => ({ filename: role, bytes })),
    TEST_ACTOR,
  )
  assert.equal((await client.update()).versions['root'], 2)
  assert.deepEqual((await here.check()).findings, [])
})

test('what is new there is adopted again, as often as one likes', async (t) => {
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
  // What was there a moment ago is behind it.
  await assert.rejects(world.adopt(state), { code: 'VERSION' })
  assert.deepEqual(versionsHere(world), { root: 1, targets: 2, snapshot: 2, timestamp: 3 })
})

test('a state beside the one that is here is refused: same versions, other content', async (t) => {
  const world = await move(t)
  const { owner } = world
  await world.adopt()
  const beside = world.offer()
  const targets = owner.fork()
  targets.addTarget('evil')
  const other = beside.map((each) => (each.role === 'targets' ? { ...each, bytes: targets.sign('targets') } : each))
  await assert.rejects(world.adopt(other), { code: 'VERSION' })
})

test('what this server signs, nothing from elsewhere replaces', async (t) => {
  const world = await move(t)
  await world.adopt()
  await takeOver(world)
  world.owner.addTarget('v2')
  await world.publish(world.owner.nextParts('targets'))
  await assert.rejects(world.adopt(), { code: 'WRONG_STATE' })
})

test('an expired timestamp of another server is handed on as it is, and said to end before', async (t) => {
  const world = await move(t)
  const { here } = world
  await world.adopt()
  world.wait(15 * DAY)
  const { body } = await fileOf(here.trust, 'timestamp.json')
  assert.equal(sha256Of(body), here.trust.store.head(GUN)!.roles['timestamp']!.sha256)
  await assert.rejects(world.client(() => here).update(), /timestamp.*expired/)
  assert.match(describe(here.trust, GUN, here.clock.now)!.warnings[0]!, /adopted, and not signed here yet/)
  assert.deepEqual(
    (await here.check()).findings.map(({ severity }) => severity),
    ['warning'],
  )
  // It can be taken over all the same.
  await takeOver(world)
  assert.deepEqual(namesOf(await world.client(() => here).update()), ['targets v1'])
})

test('nothing can be published before it is taken over, and nothing changes; publishers are told why', async (t) => {
  for (const snapshot of ['server', 'client'] as const) {
    const world = await move(t, snapshot)
    const { here, owner } = world
    await world.adopt()
    const before = here.trust.store.head(GUN)?.roles
    const send = (parts: readonly Part[]): Promise<void> =>
      publish(
        here.trust,
        GUN,
        parts.map(({ role, bytes }) => ({ filename: role, bytes })),
        TEST_ACTOR,
      )
    const refused = {
      code: 'INVALID_UPDATE',
      problem: { name: 'ErrValidation' },
      message: /adopted from another server/,
    }
    // What is here already is no error: a client repeats it.
    await send(world.offer().filter(({ role }) => role === 'targets'))
    owner.addTarget('v2')
    await assert.rejects(send(owner.nextParts('targets')), refused)
    // As notary's client rotates: one key at a time.
    owner.nameServerKey('snapshot', await localKeys(here.trust, GUN)('snapshot', 'current'))
    await assert.rejects(send(owner.nextParts('root')), refused)
    assert.deepEqual(here.trust.store.head(GUN)?.roles, before)
  }
})

/** A repository of which the test has all keys. */
interface Made {
  readonly owner: TrustWorld
  readonly timestampKey: TestKey
  /** All of it, signed as it stands; older roots are added. */
  readonly documents: () => ForeignDocument[]
  readonly roots: ForeignDocument[]
  /** Root as it stands becomes an old one, and the next one begins. */
  readonly nextRoot: () => void
}

async function made(): Promise<Made> {
  const timestampKey = makeKey('ed25519')
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: async () => timestampKey.entry })
  const roots: ForeignDocument[] = []
  let version = 0
  return {
    owner,
    timestampKey,
    roots,
    nextRoot() {
      roots.push({ role: 'root', bytes: owner.sign('root') })
      owner.root.version += 1
    },
    documents() {
      for (const payload of owner.delegations.values()) payload.version = Math.max(1, payload.version)
      const parts = owner.parts('root', 'targets', ...owner.delegations.keys())
      version += 1
      const meta = { snapshot: fileMeta(parts.at(-1)!.bytes) }
      const payload = { _type: 'Timestamp', expires: timeText(NOW + 14 * DAY), meta, version }
      const timestamp = { role: 'timestamp', bytes: signedFile(payload, [timestampKey]) }
      return [...roots, ...parts, timestamp] as ForeignDocument[]
    },
  }
}

async function server(t: TestContext): Promise<LocalTrust> {
  const here = await openLocalTrust(NOW)
  t.after(() => here.close())
  return here
}

const adoptOn = (here: LocalTrust, documents: readonly ForeignDocument[], trusted?: string): Promise<Adopted> =>
  adopt(here.trust, GUN, documents, trusted, TEST_ACTOR)

/** Publishers send it here. */
const publishOn = (here: LocalTrust, parts: readonly Part[]): Promise<void> =>
  publish(
    here.trust,
    GUN,
    parts.map(({ role, bytes }) => ({ filename: role, bytes })),
    TEST_ACTOR,
  )

const clientOf = (here: LocalTrust): ReferenceClient =>
  new ReferenceClient(
    GUN,
    (file) => fileOf(here.trust, file),
    () => here.clock.now,
  )

const importFor = (here: LocalTrust, role: 'timestamp' | 'snapshot', { privateKey }: TestKey): Promise<Imported> => {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = (here.trust.signer as FileSigner).importKey(GUN, role, pkcs8)
  return importKey(here.trust, GUN, role, sealed, TEST_ACTOR)
}

const importTimestampKey = (here: LocalTrust, key: TestKey): Promise<Imported> => importFor(here, 'timestamp', key)

for (const order of ['before', 'after'] as const) {
  test(`with the other server's key, imported ${order} it, a repository is signed here at once`, async (t) => {
    const here = await server(t)
    const { documents, timestampKey } = await made()
    if (order === 'before') await importTimestampKey(here, timestampKey)
    const adopted = await adoptOn(here, documents())
    assert.equal(adopted.signedHere, order === 'before')
    if (order === 'after') {
      assert.deepEqual(await renewDue(here.trust), { renewed: 0, failed: 0 })
      await importTimestampKey(here, timestampKey)
    }
    const client = new ReferenceClient(
      GUN,
      (file) => fileOf(here.trust, file),
      () => here.clock.now,
    )
    assert.equal((await client.update()).versions['timestamp'], 1)
    assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
    assert.deepEqual((await client.update()).versions, { root: 1, timestamp: 2, snapshot: 1, targets: 1 })
    await assert.rejects(adoptOn(here, documents()), { code: 'WRONG_STATE' })
    assert.deepEqual((await here.check()).findings, [])
  })
}

test('of several timestamp keys one is enough to renew; the next root names this server’s alone', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  owner.setKeys('timestamp', [timestampKey, makeKey('ed25519')])
  await importTimestampKey(here, timestampKey)
  assert.equal((await adoptOn(here, documents())).signedHere, true)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  const client = clientOf(here)
  await client.update()
  assert.equal(await takeOver({ here, owner }), 2)
  assert.deepEqual((await client.update()).versions, { root: 2, timestamp: 3, snapshot: 2, targets: 1 })
  assert.deepEqual((await here.check()).findings, [])
})

test('with the other server’s snapshot key alone, any root that is made here names a timestamp key of this server', async (t) => {
  for (const prepare of [
    (trust: Trust, head: Head | undefined) => prepareRotation(trust, GUN, head, NOW, ['timestamp']),
    (trust: Trust, head: Head | undefined, certificates: PublicKey[]) =>
      prepareRootChange(trust, GUN, head, NOW, { certificates, threshold: 1 }),
  ]) {
    const here = await server(t)
    const { owner, documents } = await made()
    const snapshot = makeKey('ed25519')
    owner.setKeys('snapshot', [snapshot])
    await importFor(here, 'snapshot', snapshot)
    assert.equal((await adoptOn(here, documents())).signedHere, false)
    const certificates = owner.root.roles['root']!.keyids.map((id): PublicKey => {
      const { keytype, keyval } = owner.root.keys[id]!
      return { keytype, public: keyval.public }
    })
    assert.equal(await takeOver({ here, owner }, ({ trust }, head) => prepare(trust, head, certificates)), 2)
    const { versions } = await clientOf(here).update()
    assert.deepEqual(versions, { root: 2, timestamp: 2, snapshot: 2, targets: 1 })
    assert.deepEqual((await here.check()).findings, [])
  }
})

test('a root that somebody knows must be among the roots', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  nextRoot()
  owner.rotateRoot(NOW)
  const all = documents()
  await assert.rejects(adoptOn(here, all, 'f'.repeat(64)), /none of the roots/)
  assert.equal(here.trust.store.head(GUN), undefined)
  await adoptOn(here, all, sha256Of(roots[0]!.bytes))
  await adoptOn(here, all, here.trust.store.head(GUN)!.roles['root']!.sha256)
})

test('roots that ended long ago still lead to the current one; older ones may be missing, and can come later', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  const old = makeRootKey(GUN, NOW - 4000 * DAY, { notAfter: NOW - 300 * DAY })
  owner.setKeys('root', [old])
  owner.root.expires = timeText(NOW - 300 * DAY)
  nextRoot()
  owner.root.expires = timeText(NOW + 300 * DAY)
  owner.rotateRoot(NOW)
  nextRoot()
  nextRoot()
  const all = documents()
  const { roots: found, warnings } = await adoptOn(
    here,
    all.filter(({ bytes }) => bytes !== roots[0]!.bytes && bytes !== roots[1]!.bytes),
  )
  assert.deepEqual(found, { first: 3, last: 4 })
  assert.match(warnings.at(-1)!, /older than version 2 cached/)
  const { cachedRoots = [] } = planRotation(here.trust, GUN, 'snapshot', NOW) ?? {}
  assert.deepEqual(
    cachedRoots.filter(({ follows }) => !follows),
    [{ version: 1, follows: false, why: 'version 2 is not stored' }],
  )
  assert.deepEqual((await here.check()).findings, [])
  assert.deepEqual((await adoptOn(here, all)).roots, { first: 1, last: 4 })
  assert.deepEqual((await here.check()).findings, [])
})

test('newer roots that do not join those that are here are refused, with what helps', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  await adoptOn(here, documents())
  for (let count = 0; count < 3; count += 1) nextRoot()
  owner.targets.version += 1
  const newest = documents().filter((each) => !roots.includes(each))
  await assert.rejects(adoptOn(here, newest), {
    code: 'INVALID_UPDATE',
    message: /^root version 2 is missing/,
    hint: /countersign repo delete docker\.io\/acme\/app/,
  })
  await remove(here.trust, GUN, TEST_ACTOR)
  assert.deepEqual((await adoptOn(here, newest)).roots, { first: 4, last: 4 })
  assert.deepEqual((await here.check()).findings, [])
})

test('what clients would refuse is refused, and leaves nothing', async (t) => {
  const here = await server(t)
  const refused = async (
    what: string,
    spoil: (world: Made) => void | ForeignDocument[],
    reason: RegExp,
  ): Promise<void> => {
    const world = await made()
    const documents = spoil(world) ?? world.documents()
    await assert.rejects(adoptOn(here, documents), { code: 'INVALID_UPDATE', message: reason }, what)
    assert.equal(here.trust.store.head(GUN), undefined, what)
  }
  const replace = (documents: ForeignDocument[], role: Role, bytes: Uint8Array): ForeignDocument[] =>
    documents.map((each) => (each.role === role ? { role, bytes } : each))
  await refused(
    'no timestamp',
    ({ documents }) => documents().filter(({ role }) => role !== 'timestamp'),
    /timestamp is missing/,
  )
  await refused('twice', ({ documents }) => [...documents(), ...documents()], /comes twice/)
  await refused(
    'other targets',
    ({ documents, owner }) => {
      const all = documents()
      owner.addTarget('evil')
      return replace(all, 'targets', owner.sign('targets'))
    },
    /targets/,
  )
  await refused(
    'targets by a stranger',
    ({ owner }) => void owner.signers.set('targets', [makeKey('ecdsa')]),
    /threshold for targets/,
  )
  await refused(
    'a timestamp by a stranger',
    ({ documents }) => {
      const all = documents()
      const { signed } = JSON.parse(String(all.at(-1)!.bytes)) as { signed: object }
      return replace(all, 'timestamp', signedFile(signed, [makeKey('ed25519')]))
    },
    /threshold for timestamp/,
  )
  await refused(
    'another timestamp’s snapshot',
    ({ documents, owner }) => {
      const all = documents()
      return replace(all, 'snapshot', owner.signSnapshot())
    },
    /snapshot/,
  )
  await refused(
    'a root that the one before did not sign',
    ({ owner, nextRoot }) => {
      nextRoot()
      owner.setKeys('root', [makeRootKey(GUN, NOW)])
    },
    /could not rotate trust/,
  )
  await refused(
    'a gap among roots',
    (world) => {
      for (let count = 0; count < 3; count += 1) world.nextRoot()
      world.roots.splice(1, 1)
    },
    /root version 2 is missing/,
  )
  await refused(
    'a root of another repository',
    ({ owner }) => owner.setKeys('root', [makeRootKey('docker.io/acme/other', NOW)]),
    /valid leaf certificates/,
  )
  await refused(
    'certificates that have ended',
    ({ owner }) => {
      owner.setKeys('root', [makeRootKey(GUN, NOW - 400 * DAY, { notAfter: NOW - DAY })])
    },
    /certificates .* have ended/,
  )
  await refused('a root that has ended', ({ owner }) => void (owner.root.expires = timeText(NOW - DAY)), /root expired/)
  await refused(
    'a delegation that the snapshot does not name',
    (world) => {
      const all = world.documents()
      world.owner.delegate('targets/releases', [makeKey('ecdsa')])
      world.owner.delegations.get('targets/releases')!.version = 1
      return [...all, { role: 'targets/releases', bytes: world.owner.sign('targets/releases') }]
    },
    /does not name targets\/releases/,
  )
  await refused(
    'one that it names, and is not there',
    (world) => {
      world.owner.delegate('targets/releases', [makeKey('ecdsa')])
      return world.documents().filter(({ role }) => role !== 'targets/releases')
    },
    /names targets\/releases, which is not there/,
  )
  await refused('a version out of all reason', ({ owner }) => void (owner.root.version = 2 ** 31 - 2), /above 10000/)
  // The next one of this server would be beyond what clients take.
  await refused(
    'another role’s version at the end of all numbers',
    ({ documents, timestampKey }) => {
      const all = documents()
      const { signed } = JSON.parse(String(all.at(-1)!.bytes)) as { signed: object }
      return replace(all, 'timestamp', signedFile({ ...signed, version: 2 ** 31 - 2 }, [timestampKey]))
    },
    /timestamp version 2147483646 is above/,
  )
})

test('a key that this server has for another repository is not taken for one of this', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  const other = parseGun('docker.io/acme/other')
  const pkcs8 = timestampKey.privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = (here.trust.signer as FileSigner).importKey(other, 'timestamp', pkcs8)
  await importKey(here.trust, other, 'timestamp', sealed, TEST_ACTOR)
  assert.ok(owner.root.roles['timestamp']!.keyids.includes(timestampKey.id))
  await assert.rejects(adoptOn(here, documents()), { code: 'INVALID_UPDATE', message: /another repository or role/ })
})

test('a repository that was deleted can be adopted again; what the server makes goes on above what it made', async (t) => {
  const here = await server(t)
  const { documents, timestampKey } = await made()
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  for (let count = 0; count < 3; count += 1) {
    here.clock.now += 8 * DAY
    await renew(here.trust, GUN, 'due')
  }
  assert.equal(here.trust.store.head(GUN)!.roles['timestamp']!.version, 4)
  await remove(here.trust, GUN, TEST_ACTOR)
  here.clock.now = NOW + 24 * DAY
  await adoptOn(here, documents())
  await renew(here.trust, GUN, 'due')
  assert.equal(here.trust.store.head(GUN)!.roles['timestamp']!.version, 5)
  assert.deepEqual((await here.check()).findings, [])
})

test('after a takeover, deleted and adopted again: it is said which clients cannot follow', async (t) => {
  const world = await move(t)
  const { here } = world
  assert.deepEqual((await world.adopt()).warnings, [])
  await takeOver(world)
  const client = clientOf(here)
  await client.update()
  await remove(here.trust, GUN, TEST_ACTOR)
  const { warnings } = await world.adopt()
  assert.match(warnings.join('; '), /root version 2 cached, which was deleted here, must forget/)
  await assert.rejects(client.update(), /root: version 1 is lower than 2/)
})

test('versions of an earlier life here do not stand in the way of publishers of an adopted one', async (t) => {
  const here = await server(t)
  const serverKeys = localKeys(here.trust, GUN)
  const earlier = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys, snapshot: 'server' })
  await publishOn(here, earlier.parts('root', 'targets'))
  for (let count = 0; count < 3; count += 1) {
    earlier.rotateRoot(NOW)
    await publishOn(here, earlier.nextParts('root', 'targets'))
  }
  await remove(here.trust, GUN, TEST_ACTOR)
  const { owner, documents, timestampKey } = await made()
  await importTimestampKey(here, timestampKey)
  await adoptOn(here, documents())
  owner.addTarget('v2')
  await publishOn(here, owner.nextParts('targets'))
  owner.rotateRoot(NOW)
  await publishOn(here, owner.nextParts('root'))
  const { versions } = await clientOf(here).update()
  assert.deepEqual(versions, { root: 2, timestamp: 6, snapshot: 3, targets: 2 })
  assert.deepEqual((await here.check()).findings, [])
})

test('a delegation does not go back to an older state by way of its absence', async (t) => {
  const here = await server(t)
  const { owner, documents, roots } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  const releases = owner.delegations.get('targets/releases')!
  const adoptWith = async (version: number | undefined): Promise<void> => {
    if (version === undefined) owner.delegations.delete('targets/releases')
    else owner.delegations.set('targets/releases', { ...releases, version })
    owner.files.delete('targets/releases')
    const all = documents()
    await adoptOn(here, all)
    // The next state has the next root, and this one before it.
    roots.push(all.findLast(({ role }) => role === 'root')!)
    owner.root.version += 1
    owner.targets.version += 1
  }
  await adoptWith(5)
  await adoptWith(undefined)
  await assert.rejects(adoptWith(3), { code: 'VERSION', message: /targets\/releases version 5/ })
  await adoptWith(6)
})

test('a delegation that nobody names any more comes along, as the snapshot has it', async (t) => {
  const here = await server(t)
  const { owner, documents } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.addTarget('v2', 'targets/releases')
  owner.targets.delegations.roles = []
  const { warnings } = await adoptOn(here, documents())
  assert.deepEqual(warnings, [])
  assert.deepEqual(Object.keys(here.trust.store.head(GUN)!.roles).toSorted(), [
    'root',
    'snapshot',
    'targets',
    'targets/releases',
    'timestamp',
  ])
})

test('a snapshot may name a delegation that is gone; the next one does not', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.targets.delegations.roles = []
  await importTimestampKey(here, timestampKey)
  await adoptOn(
    here,
    documents().filter(({ role }) => role !== 'targets/releases'),
  )
  assert.deepEqual((await here.check()).findings, [])
  owner.files.delete('targets/releases')
  owner.addTarget('v2')
  const parts = owner.nextParts('targets')
  await publish(
    here.trust,
    GUN,
    parts.map(({ role, bytes }) => ({ filename: role, bytes })),
    TEST_ACTOR,
  )
  const client = new ReferenceClient(
    GUN,
    (file) => fileOf(here.trust, file),
    () => here.clock.now,
  )
  assert.deepEqual(namesOf(await client.update()), ['targets v1', 'targets v2'])
  assert.deepEqual((await here.check()).findings, [])
})

test('a publisher may go on naming a delegation that is gone, and no other', async (t) => {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.targets.delegations.roles = []
  await importTimestampKey(here, timestampKey)
  await adoptOn(
    here,
    documents().filter(({ role }) => role !== 'targets/releases'),
  )
  owner.addTarget('v2')
  await publishOn(here, owner.nextParts('targets'))
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1', 'targets v2'])
  assert.deepEqual((await here.check()).findings, [])
  const never = { code: 'INVALID_UPDATE', message: /which was never uploaded/ }
  const other = owner.fork()
  other.files.set('targets/other', other.files.get('targets/releases')!)
  await assert.rejects(publishOn(here, other.nextParts('targets')), never)
  // Delegated again, clients ask for it.
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  await assert.rejects(publishOn(here, owner.nextParts('targets')), never)
})
