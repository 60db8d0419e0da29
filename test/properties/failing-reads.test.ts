import assert from 'node:assert/strict'
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { parsed } from '../../src/admin/operation.ts'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import { TrustError, type TrustErrorCode } from '../../src/errors.ts'
import type { ForeignDocument } from '../../src/repository/adoption/offer.ts'
import { remove } from '../../src/repository/remove.ts'
import { renewDue, type RenewalCounts } from '../../src/repository/renewal/loop.ts'
import { stageAgedKeys } from '../../src/repository/roots/rotation-policy.ts'
import type { StagedRootDescription } from '../../src/repository/roots/staged.ts'
import { currentKey, rotateKey } from '../../src/repository/server-key.ts'
import { createTrust, type Trust } from '../../src/repository/trust.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey, rootPublicKey } from '../../src/signing/root-key.ts'
import type { RecordKind } from '../../src/store/store.ts'
import { parseGun, type Gun } from '../../src/tuf/gun.ts'
import { GUN as ADOPTED, made, NOW } from '../support/adoption.ts'
import { localKeys, localPublish, openLocalTrust, openLocalTrustIn, type LocalTrust } from '../support/local-trust.ts'
import { named } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'
import { TrustWorld } from '../support/trust-world.ts'
import type { Part } from '../support/upload.ts'

const DAY = 86_400_000
const ACTOR = { name: 'local' }
/** The server signs these: one unchanged, one with a staged root, one whose staged root has its signatures. */
const [OWN, WAITING, SIGNED] = ['own', 'waiting', 'signed'].map((name) => parseGun(`docker.io/acme/${name}`)) as [
  Gun,
  Gun,
  Gun,
]
const PUBLISHED = parseGun('docker.io/acme/published')
const NEW = parseGun('docker.io/acme/new')
const DIGEST = `sha256:${'a'.repeat(64)}`
const GRANTS = [{ pattern: '*', actions: ['read', 'sign'] }]
const CODES: readonly TrustErrorCode[] = ['CORRUPT', 'STORE_UNAVAILABLE']
const READS = [
  'head',
  'stamp',
  'document',
  'keys',
  'keysOf',
  'keyOwner',
  'record',
  'recorded',
  'records',
  'due',
  'guns',
  'journal',
] as const

/** Runs an operation. */
async function run(trust: Trust, name: string, input: object): Promise<unknown> {
  const operation = OPERATIONS.find((each) => each.name === name)
  assert.ok(operation, name)
  return operation.run(worldOf({ trust }), parsed(operation, input), ACTOR)
}

/** Returns another reader of the same store, with empty caches, whose n-th read fails. */
function failing({ trust }: LocalTrust, at: number, code: TrustErrorCode): { trust: Trust; reads: string[] } {
  const reads: string[] = []
  const store = { ...trust.store }
  for (const name of READS) {
    const read = (...of: never[]): unknown => {
      reads.push([name, ...of].slice(0, 3).join(' '))
      if (reads.length === at) throw new TrustError(code, `read ${at} fails: ${reads.at(-1)}`)
      return (trust.store[name] as (...of: never[]) => unknown)(...of)
    }
    const isAsync = ['keysOf', 'recorded', 'due'].includes(name)
    Object.assign(store, { [name]: isAsync ? async (...of: never[]) => read(...of) : read })
  }
  return { trust: createTrust({ ...trust, store }), reads }
}

async function discardAll(trust: Trust): Promise<void> {
  const staged = await Array.fromAsync(trust.store.records('staged-root'), ({ name }) => name)
  for (const gun of staged) if (gun !== WAITING && gun !== SIGNED) await run(trust, 'root.discard', { gun })
}

/** Returns what a round has renewed, even if the round fails. */
async function countedRenewals(trust: Trust): Promise<RenewalCounts> {
  const counts = { renewed: 0, failed: 0 }
  await renewDue(trust, new Map(), counts).catch((error: unknown) => assert.ok(error instanceof TrustError))
  return counts
}

/** Something that may change the store; after it, its answer must be true. */
interface Change {
  readonly does: (trust: Trust) => Promise<unknown>
  /** Either lets the change be repeated on the same store: the clock for the n-th run, or how to undo the run before. */
  readonly nthTime?: (n: number) => number
  readonly reset?: (trust: Trust) => Promise<unknown>
  readonly holds: (trust: Trust, answer: never, commits: number) => void | Promise<void>
}

/*
 * A change must not be reported as a failure: for each change, each of its reads fails once, as on damage and as while the
 * database is reopened. Then either nothing was committed, or the answer is true.
 */
describe('whatever read fails, a committed change is not reported as a failure', () => {
  const key = makeRootKey()
  let base: LocalTrust
  let documents: { role: string; bytes: string }[]
  let imported: object
  let parts: readonly Part[]
  let firstParts: readonly Part[]
  let certificate: string
  let signatures: object[]

  before(async () => {
    base = await openLocalTrust(NOW)
    const { trust } = base
    const certificateOf = async (gun: Gun): Promise<string> => (await issueRootCertificate(key, gun, NOW)).public
    const sign = async (gun: Gun): Promise<object[]> =>
      signaturesBy(key, (await run(trust, 'root.staged', { gun })) as StagedRootDescription)
    for (const name of ['owner', 'spare'])
      await run(trust, 'root-key.save', {
        name,
        public: rootPublicKey(name === 'owner' ? key : makeRootKey()),
        sealed: null,
      })
    for (const gun of [OWN, WAITING, SIGNED]) {
      await run(trust, 'root.stage', { gun, change: { what: 'create', certificates: [await certificateOf(gun)] } })
      await run(trust, 'root.sign', { gun, signatures: await sign(gun) })
      await run(trust, 'root.publish', { gun })
      if (gun !== OWN)
        await run(trust, 'root.stage', { gun, change: { what: 'keys', roles: ['timestamp', 'targets'] } })
    }
    signatures = await sign(WAITING)
    await run(trust, 'root.sign', { gun: SIGNED, signatures: await sign(SIGNED) })
    certificate = await certificateOf(NEW)
    await run(trust, 'tag.sign', { gun: OWN, tag: 'v1', digest: DIGEST, size: 7 })
    for (const name of ['alice', 'bob']) await run(trust, 'user.add', { name, grants: GRANTS })
    await run(trust, 'token.create', { name: 'of-alice', owner: 'alice', grants: GRANTS })
    await run(trust, 'token.create', { name: 'ci', grants: GRANTS })
    for (const subject of ['user:alice', 'token:ci', 'signer:ci'])
      await run(trust, 'policy.set', { subject, rules: [{ guns: '*', move: true }] })
    for (const name of ['ci', 'nightly']) await run(trust, 'signer.create', { name })
    await run(trust, 'signer.rotate', { name: 'nightly' })
    await run(trust, 'delegation.add', { gun: OWN, name: 'nightly' })
    const owner = await TrustWorld.create({
      gun: PUBLISHED,
      now: NOW,
      serverKeys: localKeys(trust, PUBLISHED),
      snapshot: 'server',
    })
    await localPublish(trust, PUBLISHED, owner.parts('root', 'targets'))
    const [ci] = trust.store.keys('' as Gun, 'targets/ci')
    for (const role of ['targets/ci', 'targets/releases']) {
      owner.delegate(role, [named(ci!)])
      owner.delegations.delete(role)
    }
    await localPublish(trust, PUBLISHED, owner.nextParts('targets'))
    await run(trust, 'tag.sign', { gun: PUBLISHED, tag: 'v1', digest: DIGEST, size: 7, as: 'ci' })
    owner.addTarget('v2')
    parts = owner.nextParts('targets')
    const other = await TrustWorld.create({ gun: NEW, now: NOW, serverKeys: localKeys(trust, NEW) })
    firstParts = other.parts('root', 'targets')
    const there = await made()
    const textOf = (offered: readonly ForeignDocument[]): typeof documents =>
      offered.map(({ role, bytes }) => ({ role, bytes: Buffer.from(bytes).toString('base64') }))
    const firstDocuments = there.documents()
    await run(trust, 'repo.adopt', { gun: ADOPTED, documents: textOf(firstDocuments) })
    there.owner.addTarget('v3')
    there.owner.targets.version += 1
    there.roots.push(...firstDocuments.filter(({ role }) => role === 'root'))
    there.owner.root.version += 1
    documents = textOf(there.documents())
    const pkcs8 = there.timestampKey.privateKey.export({ type: 'pkcs8', format: 'der' })
    const { sealed, ...rest } = (trust.signer as FileSigner).importKey(ADOPTED, 'timestamp', pkcs8)
    imported = { gun: ADOPTED, role: 'timestamp', ...rest, sealed: Buffer.from(sealed).toString('base64') }
  })
  after(() => base.close())

  const one = (
    name: string,
    input: () => object,
    holds: Change['holds'],
    more: Partial<Change> = {},
  ): [string, Change] => [name, { does: (trust) => run(trust, name, input()), holds, ...more }]
  const isThere =
    (kind: RecordKind, name: string, there = true) =>
    ({ store }: Trust): void =>
      assert.equal(store.record(kind, name) !== undefined, there)
  const rules = [{ guns: '*', tags: 'v*' }]

  const changes: [string, Change][] = [
    one('user.add', () => ({ name: 'carol', grants: GRANTS }), isThere('user', 'carol')),
    one(
      'user.set',
      () => ({ name: 'alice', disabled: true }),
      ({ store }) => assert.partialDeepStrictEqual(store.record('user', 'alice'), { disabled: true }),
    ),
    one(
      'user.password',
      () => ({ name: 'alice', password: 'correct horse battery' }),
      ({ store }) => assert.ok((store.record('user', 'alice') as { password: unknown }).password),
    ),
    one('user.remove', () => ({ name: 'alice' }), isThere('user', 'alice', false)),
    one(
      'token.create',
      () => ({ name: 'new', owner: 'bob', grants: GRANTS }),
      (trust, { id }: { id: string }) => isThere('token', id)(trust),
    ),
    one(
      'token.revoke',
      () => ({ token: 'ci' }),
      ({ store }, { id }: { id: string }) =>
        assert.partialDeepStrictEqual(store.record('token', id), { name: 'ci', revoked: true }),
    ),
    ...['user:bob', 'token:ci', 'signer:nightly'].map((subject) =>
      one(
        'policy.set',
        () => ({ subject, rules }),
        (trust, { warnings }: { warnings: string[] }) => {
          isThere('policy', subject)(trust)
          assert.doesNotMatch(warnings.join(), /there is no/)
        },
      ),
    ),
    one('policy.remove', () => ({ subject: 'user:alice' }), isThere('policy', 'user:alice', false)),
    one('root-key.save', () => ({ name: 'new', public: rootPublicKey(key), sealed: null }), isThere('root-key', 'new')),
    one('root-key.remove', () => ({ name: 'owner' }), isThere('root-key', 'owner', false), {
      reset: (trust) => run(trust, 'root-key.save', { name: 'owner', public: rootPublicKey(key), sealed: null }),
    }),
    one(
      'signer.create',
      () => ({ name: 'new' }),
      ({ store }, { keyIds }: { keyIds: string[] }) => {
        assert.partialDeepStrictEqual(store.record('signer', 'new'), { keyIds })
        assert.equal(store.keyOwner(keyIds[0]!)?.role, 'targets/new')
      },
    ),
    one(
      'signer.rotate',
      () => ({ name: 'ci' }),
      ({ store }, { keyIds, publicKey }: { keyIds: string[]; publicKey: string }) => {
        assert.equal(keyIds.length, 2)
        assert.match(publicKey, /BEGIN/)
        assert.partialDeepStrictEqual(store.record('signer', 'ci'), { keyIds })
      },
    ),
    one(
      'signer.rotate',
      () => ({ name: 'nightly', finish: true }),
      ({ store }, { keyIds, publicKey }: { keyIds: string[]; publicKey: string }) => {
        assert.equal(keyIds.length, 1)
        assert.match(publicKey, /BEGIN/)
        assert.partialDeepStrictEqual(store.record('signer', 'nightly'), { keyIds })
      },
      { reset: (trust) => run(trust, 'signer.rotate', { name: 'nightly' }) },
    ),
    one(
      'signer.remove',
      () => ({ name: 'nightly' }),
      (trust, { warnings }: { warnings: string[] }) => {
        isThere('signer', 'nightly', false)(trust)
        assert.notDeepEqual(warnings, [])
      },
      { reset: (trust) => run(trust, 'signer.create', { name: 'nightly' }) },
    ),
    one(
      'repo.delete',
      () => ({ gun: PUBLISHED }),
      ({ store }) => assert.deepEqual(store.head(PUBLISHED)?.roles, {}),
    ),
    one(
      'repo.adopt',
      () => ({ gun: ADOPTED, documents }),
      ({ store }, { version }: { version: number }) =>
        assert.equal(store.head(ADOPTED)?.roles['targets']?.version, version),
    ),
    one(
      'key.import',
      () => imported,
      ({ store }, answer: object) => {
        assert.partialDeepStrictEqual(answer, { changed: true, named: 'key' })
        assert.equal(store.keys(ADOPTED, 'timestamp').length, 1)
        assert.notEqual(store.head(ADOPTED)?.renewAt, null)
      },
    ),
    ...[{ gun: OWN }, { gun: PUBLISHED, as: 'ci' }].map((where) =>
      one(
        'tag.sign',
        () => ({ ...where, tag: 'v2', digest: DIGEST, size: 7 }),
        ({ store }, answer: { roles: string[]; etag: string }) =>
          assert.equal(store.head(where.gun)?.roles[answer.roles[0]!]?.sha256, answer.etag),
      ),
    ),
    one(
      'tag.remove',
      () => ({ gun: OWN, tag: 'v1' }),
      ({ store }, { etag }: { etag: string }) => assert.equal(store.head(OWN)?.roles['targets']?.sha256, etag),
    ),
    one(
      'tag.change',
      () => ({ gun: PUBLISHED, as: 'ci', remove: ['v1'], set: [{ tag: 'v3', digest: DIGEST, size: 7 }] }),
      () => {},
    ),
    one(
      'delegation.add',
      () => ({ gun: OWN, name: 'ci' }),
      (_, answer: object) => assert.partialDeepStrictEqual(answer, { role: 'targets/ci', changed: true }),
    ),
    one(
      'delegation.remove',
      () => ({ gun: OWN, name: 'nightly' }),
      (_, answer: object) =>
        assert.partialDeepStrictEqual(answer, { role: 'targets/nightly', changed: true, keyIds: [] }),
    ),
    one('root.stage', () => ({ gun: OWN, change: { what: 'keys', roles: ['snapshot'] } }), isThere('staged-root', OWN)),
    one(
      'root.stage',
      () => ({ gun: NEW, change: { what: 'create', certificates: [certificate] } }),
      isThere('staged-root', NEW),
    ),
    one(
      'root.sign',
      () => ({ gun: WAITING, signatures }),
      ({ store }, { complete }: { complete: boolean }) => {
        assert.equal(complete, true)
        assert.equal((store.record('staged-root', WAITING) as { signatures: object[] }).signatures.length, 1)
      },
    ),
    one(
      'root.publish',
      () => ({ gun: SIGNED }),
      ({ store }, { version }: { version: number }) => {
        assert.equal(version, 2)
        assert.equal(store.head(SIGNED)?.roles['root']?.version, 2)
        assert.equal(store.record('staged-root', SIGNED), undefined)
      },
    ),
    one('root.discard', () => ({ gun: WAITING }), isThere('staged-root', WAITING, false)),
    one(
      'clock.accept',
      () => ({}),
      (_, answer: { renewed: number; failed: number; accepted: boolean }, commits) => {
        assert.equal(answer.accepted, true)
        assert.equal(commits, 1 + answer.renewed)
      },
      { nthTime: (n) => NOW - (n * DAY) / 24 },
    ),
  ]

  const requests: [string, Change][] = [
    [
      'an upload',
      {
        does: (trust) => localPublish(trust, PUBLISHED, parts),
        holds: ({ store }) => assert.equal(store.head(PUBLISHED)?.roles['targets']?.version, 3),
      },
    ],
    [
      'a first upload',
      {
        does: (trust) => localPublish(trust, NEW, firstParts),
        holds: ({ store }) => assert.equal(store.head(NEW)?.roles['targets']?.version, 1),
      },
    ],
    [
      'a delete',
      {
        does: (trust) => remove(trust, SIGNED, ACTOR),
        holds: ({ store }) => assert.deepEqual(store.head(SIGNED)?.roles, {}),
      },
    ],
    [
      'a request for a key',
      {
        does: (trust) => currentKey(trust, NEW, 'snapshot', ACTOR),
        holds: ({ store }, answer: { public: string }) =>
          assert.equal(store.keys(NEW, 'snapshot')[0]?.public, answer.public),
      },
    ],
    [
      'a request for the next key',
      {
        does: (trust) => rotateKey(trust, OWN, 'timestamp', ACTOR),
        holds: ({ store }, answer: { public: string }) =>
          assert.ok(
            store.keys(OWN, 'timestamp').some(({ pending, public: text }) => pending && text === answer.public),
          ),
      },
    ],
    [
      'a round of renewals',
      {
        does: countedRenewals,
        nthTime: (n) => NOW + n * 8 * DAY,
        holds: (_, answer: { renewed: number }, commits) => assert.equal(commits, answer.renewed),
      },
    ],
    [
      'a round of rotations by age',
      {
        does: (trust) => stageAgedKeys(trust, DAY),
        nthTime: () => NOW + 2 * DAY,
        reset: discardAll,
        holds: (_, answer: { staged: number }, commits) => assert.equal(commits, answer.staged),
      },
    ],
  ]

  async function copy(): Promise<LocalTrust> {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-copy-'))
    await cp(dirname(base.directory), directory, { recursive: true })
    return openLocalTrustIn(directory, NOW)
  }

  for (const [name, { does, holds, nthTime, reset }] of [...changes, ...requests]) {
    test(name, async (t) => {
      let here: LocalTrust | undefined
      t.after(() => here?.close())
      let runs = 0
      const wrong: string[] = []
      for (const code of CODES) {
        for (let at = 1; ; at += 1) {
          here ??= await copy()
          runs += 1
          here.clock.now = nthTime?.(runs) ?? NOW
          const before = here.trust.store.tail().number
          const { trust, reads } = failing(here, at, code)
          const answer = await does(trust).then(
            (answered) => ({ answered }),
            (error: unknown) => ({ error }),
          )
          const commits = here.trust.store.tail().number - before
          const what = `${code} at ${at}: ${reads[at - 1] ?? 'no read'}`
          if ('error' in answer) {
            const { error } = answer
            assert.ok(error instanceof TrustError, error as Error)
            assert.ok(reads.length >= at, error)
            if (commits > 0) wrong.push(`${what}: committed ${commits}, and told: ${error.message}`)
          } else {
            try {
              await holds(here.trust, answer.answered as never, commits)
            } catch (error) {
              wrong.push(`${what}: ${commits} ${JSON.stringify(answer.answered)} ${String(error)}`)
            }
          }
          if (commits > 0) await reset?.(here.trust)
          if (commits > 0 && nthTime === undefined && reset === undefined) {
            await here.close()
            here = undefined
          }
          if (reads.length < at) break
        }
      }

      t.diagnostic(`${runs} runs`)
      assert.deepEqual(wrong, [])
    })
  }

  /** Name, input, and the one read whose failure may hide something, since nothing else names it. */
  const lists: [name: string, input: object, aside?: string][] = [
    ['repo.list', {}],
    ['signer.list', {}],
    ['user.list', {}],
    ['token.list', {}],
    ['policy.list', {}, 'recorded policy'],
    ['root-key.list', {}],
    ['root.waiting', {}],
    ['expiry', {}],
  ]
  for (const [name, input, aside] of lists) {
    test(`${name}: damage to one record hides no other`, async () => {
      const { trust, reads } = failing(base, 0, 'CORRUPT')
      const whole = (await run(trust, name, input)) as object[]
      for (let at = 1; at <= reads.length; at += 1) {
        if (aside !== undefined && reads[at - 1]?.startsWith(aside) === true) continue
        const rows = (await run(failing(base, at, 'CORRUPT').trust, name, input)) as object[]
        const missing = whole.filter((row) => !rows.some((each) => isDeepStrictEqual(each, row)))
        const text = `${reads[at - 1]}: ${JSON.stringify(rows)}`
        // In endings only the advice may differ.
        if (missing.length > 0 && name !== 'expiry') assert.match(text, /damaged/)
        if (/^(?:guns|records) /.test(text)) continue
        const whose = new Set(missing.map((row) => ('gun' in row ? row.gun : 'name' in row && row.name)))
        assert.ok(whose.size <= 1, text)
      }
    })
  }

  test('every operation that changes something is tested here', () => {
    const done = new Set(changes.map(([name]) => name))
    assert.deepEqual(
      OPERATIONS.filter(({ method, name }) => method !== 'GET' && !done.has(name)).map(({ name }) => name),
      ['backup'],
    )
  })
})
