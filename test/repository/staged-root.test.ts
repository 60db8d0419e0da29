import assert from 'node:assert/strict'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { acceptClock } from '../../src/repository/accept-clock.ts'
import { allEndings } from '../../src/repository/expiry.ts'
import { prepareFirstRoot, prepareRotation } from '../../src/repository/roots/prepare.ts'
import type { PreparedRoot, RootAuthority } from '../../src/repository/roots/prepare.ts'
import { publishStagedRoot } from '../../src/repository/roots/publish.ts'
import { publish } from '../../src/repository/publish.ts'
import { remove } from '../../src/repository/remove.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { planRotation } from '../../src/repository/roots/rotation-plan.ts'
import { describe } from '../../src/repository/show.ts'
import { rotateKey } from '../../src/repository/server-key.ts'
import { signTags } from '../../src/repository/signers/sign-tags.ts'
import { discardStagedRoot, signStagedRoot, stageRoot } from '../../src/repository/roots/stage.ts'
import type { StagedRootDescription } from '../../src/repository/roots/staged.ts'
import { makeRootKey, rootKeyId, rootPublicKey, signAsRoot } from '../../src/signing/root-key.ts'
import type { Head } from '../../src/store/store.ts'
import { canonicalBytes } from '../../src/tuf/json/canonical.ts'
import { encodeMetadata, type EncodedSignature } from '../../src/tuf/encode.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keyId, type PublicKey } from '../../src/tuf/keys/key.ts'
import type { BaseRole, HeldRole } from '../../src/tuf/role.ts'
import { issueCertificate } from '../support/certificate.ts'
import { localClient, localTrustFor, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import type { ReferenceClient } from '../support/reference-client.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const DAY = 86_400_000
const YEAR = 365 * DAY
const GUN = parseGun('example.org/staged')

/** Returns a certificate that the key signs itself. @param ends and `begins`: milliseconds since 1970 */
function certificate(
  key: KeyObject,
  ends = NOW + 10 * YEAR,
  commonName: string = GUN,
  begins: number = NOW - DAY,
): PublicKey {
  const publicKey = createPublicKey(key)
  const pem = issueCertificate({ commonName, publicKey, signer: key, notBefore: begins, notAfter: ends })
  return { keytype: 'ecdsa-x509', public: Buffer.from(pem).toString('base64') }
}

function signatures(key: KeyObject, { payload, former, own }: StagedRootDescription): EncodedSignature[] {
  const wanted = [...(former?.keys ?? []), ...own.keys].filter(({ keyId }) => keyId === rootKeyId(rootPublicKey(key)))
  const { sig } = signAsRoot(key, canonicalBytes(payload))
  return [...new Set(wanted.map(({ id }) => id))].map((keyid) => ({ keyid, method: 'ecdsa', sig }))
}

/** Returns the id of the timestamp key that a root names. */
function keyOf({ payload }: StagedRootDescription): string | undefined {
  return (payload['roles'] as { timestamp: { keyids: string[] } }).timestamp.keyids[0]
}

class Room {
  readonly here: LocalTrust

  constructor(here: LocalTrust) {
    this.here = here
  }

  static async open(t: TestContext): Promise<Room> {
    const here = await localTrustFor(t, NOW)
    return new Room(here)
  }

  stage(prepare: (head: Head | undefined, now: number) => Promise<PreparedRoot>): Promise<StagedRootDescription> {
    return stageRoot(this.here.trust, GUN, TEST_ACTOR, 'a test', prepare)
  }

  create(authority: RootAuthority): Promise<StagedRootDescription> {
    return this.stage((head, now) => prepareFirstRoot(this.here.trust, GUN, head, now, authority))
  }

  rotate(role: HeldRole): Promise<StagedRootDescription> {
    return this.stage((head, now) => prepareRotation(this.here.trust, GUN, head, now, [role]))
  }

  changeRoot(authority: RootAuthority): Promise<StagedRootDescription> {
    return this.stage((head, now) => prepareRotation(this.here.trust, GUN, head, now, [], authority))
  }

  async sign(staged: StagedRootDescription, ...keys: KeyObject[]): Promise<StagedRootDescription> {
    let signed = staged
    for (const key of keys) {
      signed = await signStagedRoot(this.here.trust, GUN, signatures(key, staged), TEST_ACTOR)
    }
    return signed
  }

  publish(): Promise<number> {
    return publishStagedRoot(this.here.trust, GUN, TEST_ACTOR)
  }

  client(): ReferenceClient {
    return localClient(this.here, GUN)
  }

  async followers(): Promise<Record<number, string>> {
    const { cachedRoots = [] } = (await planRotation(this.here.trust, GUN, ['root'], this.here.clock.now)) ?? {}
    return Object.fromEntries(
      cachedRoots.map(({ version, follows, why }) => [version, follows ? 'follows' : (why ?? '')]),
    )
  }
}

test('with a threshold of two, each root needs the signatures of old and new keys', async (t) => {
  const room = await Room.open(t)
  const [one, two, three] = [makeRootKey(), makeRootKey(), makeRootKey()]
  const staged = await room.create({ certificates: [certificate(one), certificate(two)], threshold: 2 })
  assert.equal(staged.former, undefined)
  assert.equal((await room.sign(staged, one)).complete, false)
  await assert.rejects(room.publish(), { code: 'WRONG_STATE', message: /lacks signatures/ })
  assert.equal((await room.sign(staged, two)).complete, true)
  assert.equal(await room.publish(), 1)
  const client = room.client()
  assert.equal((await client.update()).versions['root'], 1)

  const next = await room.changeRoot({ certificates: [certificate(two), certificate(three)], threshold: 2 })
  assert.equal((await room.sign(next, two, three)).complete, false, 'the old keys must sign too')
  await assert.rejects(room.publish(), { code: 'WRONG_STATE' })
  assert.equal((await room.sign(next, one)).complete, true)
  assert.equal(await room.publish(), 2)
  assert.equal((await client.update()).versions['root'], 2)
  assert.deepEqual((await room.here.check()).findings, [])
})

test('a new targets key re-signs the same targets in the same publish, and versions continue', async (t) => {
  const room = await Room.open(t)
  const key = makeRootKey()
  await room.sign(await room.create({ certificates: [certificate(key)], threshold: 1 }), key)
  await room.publish()
  const { trust } = room.here
  const set = [{ tag: 'v1', sha256: 'a'.repeat(64), length: 7 }]
  await signTags(trust, GUN, { set, remove: [] }, TEST_ACTOR)
  const client = room.client()
  await client.update()
  const before = trust.store.head(GUN)?.roles
  room.here.clock.now += DAY
  const staged = await room.rotate('targets')
  assert.deepEqual(trust.store.head(GUN)?.roles, before, 'staging changes nothing for clients')
  await room.sign(staged, key)
  await room.publish()
  const { versions, targets } = await client.update()
  assert.deepEqual(versions, { root: 2, targets: 3, snapshot: 3, timestamp: 3 })
  assert.equal(trust.store.head(GUN)?.roles['targets']?.expires, room.here.clock.now + 1095 * DAY)
  assert.ok(trust.store.keys(GUN, 'targets').every(({ pending }) => !pending))
  assert.deepEqual(
    targets.map(({ name }) => name),
    ['v1'],
  )
  // A pending key may have been seen by others, so a rotation never names one made before it.
  const asked = keyId(await rotateKey(trust, GUN, 'timestamp', TEST_ACTOR))
  const seen = keyOf(await room.rotate('timestamp'))
  assert.notEqual(seen, asked)
  await discardStagedRoot(trust, GUN, TEST_ACTOR)
  await assert.rejects(discardStagedRoot(trust, GUN, TEST_ACTOR), { code: 'NOT_FOUND' })
  await assert.rejects(room.publish(), { code: 'NOT_FOUND' })
  const fresh = keyOf(await room.rotate('timestamp'))
  assert.notEqual(fresh, seen)
  const waiting = trust.store.keys(GUN, 'timestamp').filter(({ pending }) => pending)
  assert.deepEqual(
    waiting.map(({ keyId: id }) => id),
    [fresh],
    'a request for the next key gets the staged root’s',
  )
  assert.deepEqual((await room.here.check()).findings, [])
})

test('the server renews targets that it signs at half their life, and retries with the next timestamp after a failure', async (t) => {
  const room = await Room.open(t)
  const key = makeRootKey()
  await room.sign(await room.create({ certificates: [certificate(key)], threshold: 1 }), key)
  await room.publish()
  const { trust, clock } = room.here
  const set = [{ tag: 'v1', sha256: 'a'.repeat(64), length: 7 }]
  await signTags(trust, GUN, { set, remove: [] }, TEST_ACTOR)
  const client = room.client()
  await client.update()
  const versionOf = (): number | undefined => trust.store.head(GUN)?.roles['targets']?.version
  clock.now = NOW + 547 * DAY
  await renewDue(trust)
  assert.equal(versionOf(), 2)
  clock.now += 8 * DAY
  const errors: string[] = []
  const without: typeof trust.signer = {
    ...trust.signer,
    sign(owner, ...rest) {
      if (owner.role !== 'targets') return trust.signer.sign(owner, ...rest)
      throw new TrustError('SIGNING_FAILED', 'the token is gone')
    },
  }
  const log = { ...trust.log, error: (_: object, text: string) => void errors.push(text) }
  assert.deepEqual(await renewDue({ ...trust, signer: without, log }), { renewed: 1, failed: 0 })
  assert.deepEqual([versionOf(), errors.splice(0)], [2, ['renewal of targets failed']])
  clock.now += 8 * DAY
  const keys: typeof trust.store.keys = (gun, role, head) => {
    if (role !== 'targets') return trust.store.keys(gun, role, head)
    throw new TrustError('CORRUPT', 'the record is damaged')
  }
  const spoilt = { ...trust, store: { ...trust.store, keys }, log }
  assert.deepEqual(await renewDue(spoilt), { renewed: 1, failed: 0 })
  assert.deepEqual([versionOf(), errors], [2, ['renewal of targets failed']])
  clock.now += 8 * DAY
  await renewDue(trust)
  const { versions, targets } = await client.update()
  assert.deepEqual([versions['targets'], targets.map(({ name }) => name)], [3, ['v1']])
  assert.equal(trust.store.head(GUN)?.roles['targets']?.expires, clock.now + 1095 * DAY)
  clock.now += 8 * DAY
  await renewDue(trust)
  assert.equal(versionOf(), 3)
  // After years without a server, the first reader gets new ones.
  clock.now += 1096 * DAY
  assert.equal((await client.update()).versions['targets'], 4)
  assert.deepEqual((await room.here.check()).findings, [])
})

test('signatures of strangers, over other bytes, or by keys that root does not name are refused', async (t) => {
  const room = await Room.open(t)
  const [key, stranger] = [makeRootKey(), makeRootKey()]
  const staged = await room.create({ certificates: [certificate(key)], threshold: 1 })
  const { trust } = room.here
  const [good] = signatures(key, staged)
  assert.ok(good !== undefined)
  const wrong: EncodedSignature[] = [
    { ...good, ...signAsRoot(stranger, canonicalBytes(staged.payload)) },
    { ...good, ...signAsRoot(key, canonicalBytes({ ...staged.payload, version: 2 })) },
    { ...good, keyid: rootKeyId(rootPublicKey(key)) },
    { ...good, method: 'eddsa' },
    { ...good, sig: '' },
  ]
  for (const each of wrong) {
    await assert.rejects(signStagedRoot(trust, GUN, [good, each], TEST_ACTOR), { code: 'INVALID_PARAMETERS' })
  }
  await assert.rejects(room.publish(), { code: 'WRONG_STATE' }, 'the good signature of a refused pair was kept')
})

test('a root that no client could accept is not staged', async (t) => {
  const room = await Room.open(t)
  const key = makeRootKey()
  const twice = [certificate(key), certificate(key, NOW + YEAR)]
  const ended = certificate(makeRootKey(), NOW - 1)
  for (const [authority, code] of [
    [{ certificates: [certificate(key, NOW - 1)], threshold: 1 }, 'INVALID_PARAMETERS'],
    [{ certificates: [certificate(key, NOW + YEAR, 'example.org/other')], threshold: 1 }, 'INVALID_PARAMETERS'],
    [{ certificates: [{ keytype: 'ecdsa-x509', public: 'bm9uZQ==' }], threshold: 1 }, 'INVALID_PARAMETERS'],
    [{ certificates: [certificate(key)], threshold: 2 }, 'INVALID_UPDATE'],
    [{ certificates: twice, threshold: 2 }, 'INVALID_UPDATE'],
    [{ certificates: [certificate(key), ended], threshold: 2 }, 'INVALID_PARAMETERS'],
    [{ certificates: [...twice, ended], threshold: 2 }, 'INVALID_PARAMETERS'],
  ] as const) {
    await assert.rejects(room.create(authority), { code })
  }
  const wildcard = await room.create({ certificates: [certificate(key, NOW + YEAR, 'example.org/*')], threshold: 1 })
  await room.sign(wildcard, key)
  await room.publish()
  assert.equal((await room.client().update()).versions['root'], 1)
  assert.equal((await planRotation(room.here.trust, GUN, ['root'], NOW))?.commonName, 'example.org/*')
})

test('two certificates of one key count as one signature', async (t) => {
  const room = await Room.open(t)
  const [one, two] = [makeRootKey(), makeRootKey()]
  const certificates = [certificate(one), certificate(one, NOW + YEAR), certificate(two)]
  const staged = await room.create({ certificates, threshold: 2 })
  assert.equal((await room.sign(staged, one)).complete, false)
  assert.equal((await room.sign(staged, two)).complete, true)
  assert.equal(await room.publish(), 1)
})

test('a key with an expired certificate still signs for clients that trust it, beside a valid one', async (t) => {
  const room = await Room.open(t)
  const [one, two] = [makeRootKey(), makeRootKey()]
  await room.sign(
    await room.create({ certificates: [certificate(one, NOW + YEAR), certificate(two)], threshold: 1 }),
    one,
  )
  await room.publish()
  room.here.clock.now = NOW + YEAR + DAY
  await room.sign(await room.changeRoot({ certificates: [certificate(one)], threshold: 1 }), one)
  assert.equal(await room.publish(), 2)
  assert.equal((await room.client().update()).versions['root'], 2)
})

test('a staged root blocks others, and goes when its version is published or the repository deleted', async (t) => {
  const room = await Room.open(t)
  const key = makeRootKey()
  const { trust } = room.here
  await room.sign(await room.create({ certificates: [certificate(key)], threshold: 1 }), key)
  await room.publish()
  await assert.rejects(room.create({ certificates: [certificate(key)], threshold: 1 }), {
    code: 'WRONG_STATE',
    message: /already exists/,
  })
  const staged = await room.rotate('timestamp')
  // The journal tells the making of keys from other records.
  assert.equal([...trust.store.journal({ gun: GUN })].at(-1)?.kind, 'key')
  await assert.rejects(room.rotate('snapshot'), { code: 'WRONG_STATE', message: /already waiting for signatures/ })
  // The owner publishes a root of that version with their own client.
  const bytes = encodeMetadata(staged.payload, signatures(key, staged))
  await publish(trust, GUN, [{ filename: 'root', bytes }], TEST_ACTOR)
  await assert.rejects(room.publish(), { code: 'NOT_FOUND', message: /no root of .* waits/ })
  const [last] = trust.store.journal({ gun: GUN, before: Infinity })
  assert.deepEqual(last?.records, [{ kind: 'staged-root', name: GUN, sha256: null, action: 'superseded' }])
  await room.sign(await room.rotate('snapshot'), key)
  assert.equal(await room.publish(), 3)
  await room.rotate('targets')
  await remove(trust, GUN, TEST_ACTOR)
  assert.equal(trust.store.record('staged-root', GUN), undefined)
})

test('the plan says which cached roots still lead to the newest: each root on the way needs valid certificates', async (t) => {
  const room = await Room.open(t)
  const key = makeRootKey()
  const { clock, trust } = room.here
  await room.sign(await room.create({ certificates: [certificate(key, NOW + YEAR)], threshold: 1 }), key)
  await room.publish()
  const client = room.client()
  await client.update()
  await room.sign(await room.rotate('timestamp'), key)
  await room.publish()
  assert.deepEqual((await describe(trust, GUN, NOW))?.warnings, [])
  clock.now = NOW + YEAR - 30 * DAY
  const warned = async (...places: ['sealed here' | 'offline'] | []): Promise<string> => {
    const known = new Map(places.map((place) => [rootKeyId(rootPublicKey(key)), place]))
    return (await describe(trust, GUN, clock.now, known))?.warnings.join() ?? ''
  }
  assert.match(
    await warned('sealed here'),
    /root certificates end on 2027-11-24.*: countersign key rotate \S+ root --renew$/,
  )
  assert.match(
    await warned('offline'),
    /: countersign root import NAME FILE, then countersign key rotate \S+ root --renew$/,
  )
  assert.match(await warned(), /: its owner: notary key rotate \S+ root$/)
  // The same key with a new certificate.
  await room.sign(await room.changeRoot({ certificates: [certificate(key)], threshold: 1 }), key)
  assert.equal(await room.publish(), 3)
  assert.deepEqual((await describe(trust, GUN, clock.now))?.warnings, [])
  assert.deepEqual(await room.followers(), { 1: 'follows', 2: 'follows', 3: 'follows' })
  clock.now = NOW + YEAR + DAY
  assert.deepEqual(await room.followers(), {
    1: 'root certificates of version 2 have expired',
    2: 'root certificates of version 2 have expired',
    3: 'follows',
  })
  await assert.rejects(client.update(), /no valid leaf certificates/)
})

test('with a threshold of two, a repository ends when only one valid certificate is left', async (t) => {
  const room = await Room.open(t)
  const [one, two] = [makeRootKey(), makeRootKey()]
  const certificates = [certificate(one, NOW + YEAR), certificate(two, NOW + 5 * YEAR)]
  await room.sign(await room.create({ certificates, threshold: 2 }), one, two)
  await room.publish()
  const ends = await allEndings(room.here.trust, NOW + 2 * YEAR)
  assert.deepEqual(
    ends.filter(({ what }) => what === 'root certificate'),
    [{ gun: GUN, what: 'root certificate', expires: NOW + YEAR }],
  )
  room.here.clock.now = NOW + YEAR + DAY
  await assert.rejects(room.client().update(), /threshold not met/)
  assert.deepEqual(await room.followers(), { 1: 'root certificates of version 1 have expired' })
  // A tag that no client could read is refused.
  const set = [{ tag: 'v1', sha256: 'a'.repeat(64), length: 7 }]
  const tag = signTags(room.here.trust, GUN, { set, remove: [] }, TEST_ACTOR)
  await assert.rejects(tag, { code: 'INVALID_UPDATE', message: /certificates of the stored root have expired/ })
  const { obstacles = [] } = (await planRotation(room.here.trust, GUN, ['root'], room.here.clock.now)) ?? {}
  assert.match(obstacles.join(), /root certificates have expired: no client accepts this repository any more/)
})

test('certificates made while the clock was ahead are reported as not yet valid, and can be renewed', async (t) => {
  const room = await Room.open(t)
  const { trust, clock } = room.here
  const key = makeRootKey()
  const made = (begins: number): RootAuthority => {
    return { certificates: [certificate(key, NOW + 10 * YEAR, GUN, begins)], threshold: 1 }
  }
  clock.now = NOW + 40 * DAY
  await room.sign(await room.create(made(NOW + 39 * DAY)), key)
  await room.publish()
  await room.client().update()
  clock.now = NOW
  assert.equal((await acceptClock(trust, TEST_ACTOR)).accepted, true)

  await assert.rejects(room.client().update(), /no valid leaf certificates/)
  const begin = /root certificates are not valid before 2027-01-01T08:00:00Z: clients refuse this repository until then/
  assert.match((await room.here.check()).findings.map(({ text }) => text).join(), begin)
  const warning = (await describe(trust, GUN, NOW))?.warnings.join() ?? ''
  assert.match(warning, begin)
  assert.match(warning, /its owner: notary key rotate \S+ root$/)
  assert.deepEqual(await room.followers(), {
    1: 'root certificates of version 1 are not valid before 2027-01-01T08:00:00Z',
  })
  const set = [{ tag: 'v1', sha256: 'a'.repeat(64), length: 7 }]
  const sign = (): Promise<unknown> => signTags(trust, GUN, { set, remove: [] }, TEST_ACTOR)
  await assert.rejects(sign(), {
    code: 'INVALID_UPDATE',
    message: /no client accepts this .* before 2027-01-01T08:00:00Z/,
    hint: `"countersign repo show ${GUN}" says how to replace them`,
  })
  const obstacles = async (...roles: BaseRole[]): Promise<string> =>
    (await planRotation(trust, GUN, roles, NOW))?.obstacles.join() ?? ''
  assert.match(await obstacles('timestamp'), /not valid before .*: countersign key rotate \S+ root timestamp --renew$/)
  await assert.rejects(room.rotate('timestamp'), { code: 'INVALID_PARAMETERS' })

  assert.equal(await obstacles('root'), '')
  await room.sign(await room.changeRoot(made(NOW - DAY)), key)
  assert.equal(await room.publish(), 2)
  await sign()
  const { targets } = await room.client().update()
  assert.deepEqual(
    targets.map(({ name }) => name),
    ['v1'],
  )
  assert.deepEqual((await room.here.check()).findings, [])
})
