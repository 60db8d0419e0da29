import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listTags, signTag } from '../../src/admin/tags.ts'
import { TrustError } from '../../src/errors.ts'
import { DecodedDocuments } from '../../src/repository/decoded.ts'
import { importKey } from '../../src/repository/import-key.ts'
import {
  createSigner,
  findSigner,
  finishSignerRotation,
  removeSigner,
  rotateSigner,
} from '../../src/repository/signers/signers.ts'
import { signTags, type SignRequest } from '../../src/repository/signers/sign-tags.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import { parseGun, SERVER, type Gun } from '../../src/tuf/gun.ts'
import type { Role } from '../../src/tuf/role.ts'
import { localFile, localKeys, localPublish, TEST_ACTOR } from '../support/local-trust.ts'
import { A, add, B, base64, drop, GUN, named, owned, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'
import { makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

test('the first tag makes a delegate’s documents as docker makes them', async (t) => {
  const { here, sign, payload, listed } = await withSigner(t)
  const { changed, roles, etag } = await sign('v2', A)
  assert.deepEqual([changed, roles], [true, ['targets/ci', 'targets/releases']])
  for (const role of roles) {
    assert.deepEqual(payload(role), {
      _type: 'Targets',
      delegations: { keys: {}, roles: [] },
      expires: '2029-11-23T08:00:00Z',
      targets: { v2: { hashes: { sha256: base64(A) }, length: 7 } },
      version: 1,
    })
  }
  const head = here.trust.store.head(GUN)
  assert.equal(head?.roles['targets/ci']?.sha256, etag)
  const { targets, warnings } = await listed()
  assert.deepEqual(warnings, [])
  assert.deepEqual(targets.slice(1), [`targets/ci v2 ${base64(A)}`, `targets/releases v2 ${base64(A)}`])
  assert.deepEqual(await sign('v2', A), { changed: false, roles, etag, leftOut: [], absent: [] })
  assert.equal(here.trust.store.head(GUN), head)
  await sign('v2', B)
  assert.equal(payload('targets/releases').version, 2)
  assert.deepEqual((await here.check()).findings, [])
})

test('signing a tag keeps all else: other entries, custom data, unknown members, delegations', async (t) => {
  const { owner, send, sign, payload, ...world } = await owned(t)
  const key = named(await createSigner(world.here.trust, 'ci', TEST_ACTOR))
  const alice = makeKey('ecdsa')
  owner.delegate('targets/releases', [alice])
  owner.delegate('targets/releases/deeper', [alice])
  owner.addTarget('v1', 'targets/releases', { hashes: { sha256: base64(B) }, length: 3, custom: { note: 'kept' } })
  Object.assign(owner.payload('targets/releases'), { 'x-note': ['kept', 1] })
  owner.delegate('targets/releases', [alice, key])
  owner.signers.set('targets/releases', [alice])
  await send(owner.nextParts('targets', 'targets/releases'))
  const before = payload('targets/releases')
  await sign('v2', A)
  const { version, expires, targets, ...rest } = payload('targets/releases')
  const { version: old, expires: _, targets: others, ...same } = before
  assert.deepEqual(rest, same)
  assert.equal(version, old + 1)
  assert.equal(expires, '2029-11-23T08:00:00Z')
  assert.deepEqual(targets, { ...others, v2: { hashes: { sha256: base64(A) }, length: 7 } })
  // Another signer signs the same content; the server must not sign it again in turn.
  Object.assign(owner.payload('targets/releases'), payload('targets/releases'))
  await send(owner.nextParts('targets/releases'))
  assert.equal((await sign('v2', A)).changed, false)
})

test('a signer who cannot sign here learns why, and what the owner can do about it', async (t) => {
  const world = await owned(t)
  const { here, owner, send, sign } = world
  const key = named(await createSigner(here.trust, 'ci', TEST_ACTOR))
  const refused = async (more: Partial<SignRequest>, message: RegExp, hint: RegExp): Promise<void> => {
    const before = here.trust.store.tail().number
    await assert.rejects(sign('v2', A, more), (error: TrustError) => {
      assert.equal(error.code, 'WRONG_STATE')
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      return true
    })
    assert.equal(here.trust.store.tail().number, before)
  }
  await refused({ as: undefined }, /the targets key .* is with its publisher/, /signer create/)
  await refused({}, /does not let ci sign this/, /docker trust signer add --key ci\.pem ci example\.org\/sign-tags/)
  await add(world, 'targets/ci', key, { paths: ['rc-', 'beta'] })
  await refused({}, /do not include v2/, /--all-paths/)
  await refused({ set: [{ tag: 'rc-1', sha256: A, length: 1 }], remove: ['v1'] }, /do not include v1/, /--all-paths/)
  assert.deepEqual((await sign('rc-1', A)).roles, ['targets/ci'])
  // Each delegation has a document with all tags, so the number that one request signs is limited.
  const more = Array.from({ length: 8 }, (_, index) => `targets/more${index}`)
  for (const role of more) owner.delegate(role, [key])
  await send(owner.nextParts('targets'))
  await refused(
    { set: [{ tag: 'rc-2', sha256: A, length: 1 }] },
    /in more than 8 delegations/,
    /leaves ci in targets\/ci/,
  )
  assert.equal((await sign('v2', A)).roles.length, more.length)
  await drop(world, ...more)
  owner.delegate('targets/ci', [key, makeKey('ecdsa')], { threshold: 2 })
  await send(owner.nextParts('targets'))
  await refused({}, /needs signatures from more keys than those of ci/, /threshold/)
  owner.setKeys('snapshot', [makeKey('ecdsa')])
  owner.snapshot.version = here.trust.store.head(GUN)?.roles['snapshot']?.version ?? 0
  owner.targets.delegations.roles = []
  await send(owner.nextParts('root', 'targets'))
  await refused({}, /the snapshot key .* is with its publisher/, /notary key rotate .* snapshot -r/)
})

test('a key held for another role or repository signs no tags, even where root names it for targets', async (t) => {
  const { owner, send, sign, here } = await owned(t)
  const { trust } = here
  const { snapshot, targets } = owner.root.roles
  const signer = named(await createSigner(trust, 'ci', TEST_ACTOR))
  const foreign = makeKey('ed25519')
  const pkcs8 = foreign.privateKey.export({ type: 'pkcs8', format: 'der' })
  const other = parseGun('example.org/other')
  const sealed = (trust.signer as FileSigner).importKey(other, 'targets', pkcs8)
  await importKey(trust, other, 'targets', sealed, TEST_ACTOR)
  for (const { id, entry } of [signer, foreign]) owner.root.keys[id] = entry
  targets!.keyids.push(...snapshot!.keyids, signer.id, foreign.id)
  await send(owner.nextParts('root'))
  await assert.rejects(sign('v2', A, { as: undefined }), { code: 'WRONG_STATE', message: /is with its publisher/ })
})

test('with fewer keys for targets than must sign, the server signs no tags', async (t) => {
  const { owner, send, sign, here } = await owned(t)
  const [held, other] = [makeKey('ed25519'), makeKey('ed25519')]
  const pkcs8 = held.privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = (here.trust.signer as FileSigner).importKey(GUN, 'targets', pkcs8)
  await importKey(here.trust, GUN, 'targets', sealed, TEST_ACTOR)
  owner.setKeys('targets', [held, other], 2)
  await send(owner.nextParts('root', 'targets'))
  await assert.rejects(sign('v2', A, { as: undefined }), { code: 'WRONG_STATE', message: /is with its publisher/ })
})

test('a signer’s own role comes first among those signed, wherever the owner lists it', async (t) => {
  const world = await owned(t)
  const key = named(await createSigner(world.here.trust, 'ci', TEST_ACTOR))
  for (const role of ['targets/releases', 'targets/ci']) await add(world, role, key)
  assert.deepEqual((await world.sign('v2', A)).roles, ['targets/ci', 'targets/releases'])
})

test('if-match refers to the first role that signs: a checksum, any, or none yet', async (t) => {
  const { sign, here } = await withSigner(t)
  const targets = here.trust.store.head(GUN)?.roles['targets']?.sha256 ?? ''
  for (const ifMatch of ['*', targets]) {
    await assert.rejects(sign('v2', A, { ifMatch }), { code: 'PRECONDITION' })
  }
  const { etag } = await sign('v2', A, { ifMatch: '' })
  await assert.rejects(sign('v2', B, { ifMatch: '' }), { code: 'PRECONDITION' })
  const { etag: next } = await sign('v2', B, { ifMatch: etag })
  await assert.rejects(sign('v2', A, { ifMatch: etag }), { code: 'PRECONDITION' })
  assert.equal((await sign('v3', B, { ifMatch: '*' })).changed, true)
  // The request would change nothing, but the stale checksum is still refused.
  await assert.rejects(sign('v3', B, { ifMatch: next }), { code: 'PRECONDITION' })
})

test('for a signer only in targets/releases, the list and if-match refer to that role', async (t) => {
  const world = await owned(t)
  const { here, sign } = world
  await add(world, 'targets/releases', named(await createSigner(here.trust, 'ci', TEST_ACTOR)))
  const list = (as: string): ReturnType<typeof listTags.run> =>
    listTags.run(worldOf(here), { gun: GUN, as }, TEST_ACTOR)
  assert.deepEqual(await list('ci'), { gun: GUN, etag: '', tags: [] })
  await sign('v2', A, { ifMatch: '' })
  const { etag, tags } = await list('ci')
  assert.deepEqual(tags, [{ tag: 'v2', digest: A, length: 7, role: 'targets/releases' }])
  assert.equal((await sign('v3', A, { ifMatch: etag })).changed, true)
  await assert.rejects(sign('v4', A, { ifMatch: etag }), { code: 'PRECONDITION' })
  await assert.rejects(list('nobody'), { code: 'NOT_FOUND', message: `nobody signs in ${GUN} as nobody` })
})

test('whoever signs where the targets of the owner have expired is told that clients do not see it', async (t) => {
  const { here } = await withSigner(t)
  const signed = { gun: GUN, tag: 'v2', digest: `sha256:${A}`, size: 7, as: 'ci' }
  const sign = (): ReturnType<typeof signTag.run> => signTag.run(worldOf(here), signed, TEST_ACTOR)
  assert.equal((await sign()).unseen, undefined)
  const { expires } = here.trust.store.head(GUN)!.roles['targets']!
  here.clock.now = expires + 1
  assert.match((await sign()).unseen ?? '', /^targets expired at 2029-/)
})

test('a policy sees what each role has signed for a tag', async (t) => {
  const { owner, send, sign, here } = await owned(t)
  const key = named(await createSigner(here.trust, 'ci', TEST_ACTOR))
  const alice = makeKey('ecdsa')
  for (const [role, sha256] of [
    ['targets/ci', A],
    ['targets/releases', B],
  ] as const) {
    owner.delegate(role, [alice, key])
    owner.signers.set(role, [alice])
    owner.addTarget('v2', role, { hashes: { sha256: base64(sha256) }, length: 7 })
    owner.addTarget('long', role, { hashes: { sha512: Buffer.alloc(64).toString('base64') }, length: 7 })
  }
  await send(owner.nextParts('targets', 'targets/ci', 'targets/releases'))
  const seen: Record<string, readonly string[]> = {}
  const permit: SignRequest['permit'] = (current) => {
    for (const tag of ['v2', 'long', 'toString', '__proto__']) seen[`${tag}.`] = current(tag)
    throw new TrustError('POLICY', 'no')
  }
  await assert.rejects(sign('v2', A, { permit }), { code: 'POLICY' })
  assert.deepEqual(seen, { 'v2.': [A, B], 'long.': ['', ''], 'toString.': [], '__proto__.': [] })
})

test('a policy is asked even when nothing would be signed', async (t) => {
  const { sign } = await withSigner(t)
  await sign('v2', A)
  const permit = (): never => {
    throw new TrustError('POLICY', 'no')
  }
  await assert.rejects(sign('v2', A, { permit }), { code: 'POLICY' })
})

test('names that mean something to JavaScript are tags like any other', async (t) => {
  const { sign, payload, listed } = await withSigner(t)
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  for (const name of names) {
    // Nothing has signed it yet, not even where nothing is signed at all.
    const permit: SignRequest['permit'] = (current) => assert.deepEqual(current(name), [])
    const { changed, absent } = await sign(name, A, { permit, remove: ['valueOf'] })
    assert.deepEqual([changed, absent], [true, ['valueOf']], name)
  }
  for (const name of names) assert.equal((await sign(name, A)).changed, false, name)
  assert.deepEqual(Object.keys(payload('targets/ci').targets).toSorted(), names.toSorted())
  assert.equal((await listed()).targets.length, 1 + 2 * names.length)
  await sign('v2', A, { set: [], remove: ['__proto__', 'valueOf'] })
  assert.equal(Object.keys(payload('targets/ci').targets).length, 3)
})

test('tags signed by an owner and the server at the same moment are all kept', async (t) => {
  const world = await withSigner(t)
  const { owner, send, sign, listed } = world
  owner.addTarget('by-owner')
  const jobs = Array.from({ length: 8 }, (_, index) => sign(`job-${index}`, A))
  await Promise.all([...jobs, send(owner.nextParts('targets'))])
  const { targets, warnings } = await listed()
  assert.deepEqual([targets.length, warnings], [2 + 2 * 8, []])
  assert.deepEqual((await world.here.check()).findings, [])
})

test('a document’s tag limit is enforced, and existing tags can be replaced at the limit', async (t) => {
  const { here, sign } = await withSigner(t)
  const many = (from: number, to: number): SignRequest['set'] =>
    Array.from({ length: to - from }, (_, at) => ({ tag: `t${from + at}`, sha256: A, length: 7 }))
  await sign('v1', A, { set: many(0, 49_900) })
  const before = here.trust.store.head(GUN)
  await assert.rejects(sign('v1', A, { set: many(49_900, 50_000) }), { code: 'INVALID_UPDATE', message: /50000 tags/ })
  assert.equal(here.trust.store.head(GUN), before)
  // Decoded afresh, as in another thread or after a restart.
  const decoded = new DecodedDocuments()
  const fresh = { ...here.trust, decoded }
  const change = { set: many(49_900, 50_000), remove: many(0, 200).map(({ tag }) => tag), as: 'ci' }
  assert.equal((await signTags(fresh, GUN, change, TEST_ACTOR)).changed, true)
  assert.deepEqual((await here.check()).findings, [])
})

test('a signer or policy changed during signing is applied: nothing is signed under the old one', async (t) => {
  let rule: string | undefined
  const permit = (): void => {
    if (rule !== undefined) throw new TrustError('POLICY', rule)
  }
  const changes: [string | undefined, (trust: Trust) => Promise<unknown>][] = [
    [undefined, (trust) => rotateSigner(trust, 'ci', TEST_ACTOR)],
    ['WRONG_STATE', (trust) => finishSignerRotation(trust, 'ci', findSigner(trust, 'ci').keyIds.at(-1)!, TEST_ACTOR)],
    ['NOT_FOUND', (trust) => removeSigner(trust, 'ci', TEST_ACTOR)],
    ['POLICY', async () => (rule = 'not any more')],
  ]
  for (const [code, change] of changes) {
    const world = await withSigner(t)
    const { here, sign } = world
    const { trust } = here
    // It signs with both keys, and gives only one of them up.
    if (code === 'WRONG_STATE') await add(world, 'targets/ci', named((await rotateSigner(trust, 'ci', TEST_ACTOR)).key))
    const before = trust.store.head(GUN)
    const make = trust.signer.sign.bind(trust.signer)
    // Signing with a token takes time, in which the change happens.
    let meanwhile: typeof change | undefined = change
    t.mock.method(trust.signer, 'sign', async (...given: Parameters<typeof make>) => {
      const due = meanwhile
      meanwhile = undefined
      await due?.(trust)
      return make(...given)
    })
    const signed = sign('v2', A, { permit })
    if (code === undefined) await signed
    else await assert.rejects(signed, { code })
    assert.equal(trust.store.head(GUN) === before, code !== undefined)
  }
})

test('metadata that a server’s signer made for one repository or role cannot be published in another', async (t) => {
  const world = await withSigner(t)
  const { here, send, sign } = world
  await sign('v1', A)
  const elsewhere = parseGun('example.org/of-a-stranger')
  const key = named(here.trust.store.keys(SERVER, 'targets/ci')[0]!)
  const stranger = await TrustWorld.create({
    gun: elsewhere,
    now: here.clock.now,
    serverKeys: localKeys(here.trust, elsewhere),
    snapshot: 'server',
  })
  for (const role of ['targets/ci', 'targets/releases']) stranger.delegate(role, [key])
  await localPublish(here.trust, elsewhere, stranger.parts('root', 'targets'))
  const request = { set: [{ tag: 'v1', sha256: B, length: 7 }], remove: [], as: 'ci' }
  for (const tag of ['v1', 'v2', 'v3']) {
    await signTags(here.trust, elsewhere, { ...request, set: [{ tag, sha256: B, length: 7 }] }, TEST_ACTOR)
  }
  const signed = async (gun: Gun, role: Role): Promise<Buffer> =>
    (await localFile(here.trust, gun, `${role}.json`)).body
  const refusal = /signed by a signer of this server/
  for (const role of ['targets/ci', 'targets/releases'] as const) {
    await assert.rejects(send([{ role, bytes: await signed(elsewhere, role) }]), refusal)
  }
  const other = { keyid: 'x'.repeat(10_000), method: 'ecdsa', sig: 'AAAA' }
  const { signed: payload, signatures } = JSON.parse(String(await signed(elsewhere, 'targets/ci'))) as {
    signed: object
    signatures: object[]
  }
  const beside = Buffer.from(JSON.stringify({ signed: payload, signatures: [other, ...signatures] }))
  await assert.rejects(send([{ role: 'targets/ci', bytes: beside }]), refusal, 'whoever else has signed it')
  // Current bytes are accepted: a client may repeat an upload whose answer was lost.
  await send([{ role: 'targets/ci', bytes: await signed(GUN, 'targets/ci') }])
  const bytes = Buffer.from(JSON.stringify({ signed: payload, signatures: [other] }))
  await assert.rejects(send([{ role: 'targets/ci', bytes }]), /did not meet threshold/)
  assert.deepEqual(
    (await world.listed()).targets.filter((each) => each.includes(B)),
    [],
  )
})
