import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { notaryServer } from '../../src/registry/notary-server.ts'
import { readTrustData, type ForeignDocument } from '../../src/registry/trust-data.ts'
import { TRUST_DATA_MAX_BYTES } from '../../src/registry/trust-source.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { fileMeta, signedFile } from '../support/metadata-file.ts'
import { meddler, type Meddle } from '../support/odd-server.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUN = parseGun('source.example/team/app')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Publishes a repository of three roots and delegations to a real server; one delegation is not signed. */
async function published(t: TestContext, firstRoot = 1): Promise<{ app: LocalApp; world: TrustWorld }> {
  const app = await startLocalApp()
  t.after(() => app.close())
  const serverKeys = keysFrom(app, GUN)
  const world = await TrustWorld.create({ gun: GUN, now: app.clock.now, serverKeys, snapshot: 'server' })
  world.root.version = firstRoot
  world.delegate('targets/releases', [makeKey('ecdsa')])
  world.delegate('targets/team', [makeKey('ecdsa')])
  world.delegate('targets/team/alice', [makeKey('ecdsa')])
  world.delegate('targets/silent', [makeKey('ecdsa')])
  await world.send(app, world.parts('root', 'targets'))
  for (let version = firstRoot + 1; version <= 3; version += 1) {
    world.rotateRoot(app.clock.now)
    await world.publish(app, 'root')
  }
  await world.publish(app, 'targets/releases', 'targets/team', 'targets/team/alice')
  return { app, world }
}

/** Reads all documents through a proxy that answers some requests itself. */
async function read(t: TestContext, app: LocalApp, meddle: Meddle = () => undefined): Promise<ForeignDocument[]> {
  const { url } = await meddler(t, app, meddle)
  return readTrustData(notaryServer(url, GUN, { credentials: () => assert.fail('asked for credentials') }), GUN)
}

async function current(app: LocalApp, file: string): Promise<Buffer> {
  const { status, body } = await exchange(app, { path: tufPath(GUN, file) })
  assert.equal(status, 200, file)
  return body
}

const rolesOf = (documents: readonly ForeignDocument[]): string[] =>
  documents.map(({ role, bytes }) => `${role} ${(JSON.parse(String(bytes)) as Signed).signed.version}`)
interface Signed {
  signed: { version: number; meta: Record<string, unknown> }
}

test('all that clients need is read byte for byte, back to the first root', async (t) => {
  const { app } = await published(t)
  const documents = await read(t, app)
  const [timestamp, snapshot, root, ...more] = rolesOf(documents)
  assert.match(`${timestamp} ${snapshot}`, /^timestamp \d+ snapshot \d+$/)
  assert.equal(root, 'root 3')
  assert.deepEqual(more.slice(0, 3), ['root 2', 'root 1', 'targets 1'])
  assert.deepEqual(more.slice(3).sort(), ['targets/releases 1', 'targets/team 1', 'targets/team/alice 1'])
  const bytesOf = (name: string): Buffer | undefined => documents[rolesOf(documents).indexOf(name)]?.bytes
  for (const role of ['root', 'targets', 'snapshot', 'timestamp', 'targets/team/alice']) {
    const name = rolesOf(documents).find((each) => each.startsWith(`${role} `)) ?? ''
    assert.deepEqual(bytesOf(name), await current(app, `${role}.json`), role)
  }
  assert.deepEqual(bytesOf('root 1'), await current(app, '1.root.json'))
})

test('the first root may be version 2, and older roots may be missing', async (t) => {
  const second = await published(t, 2)
  assert.deepEqual(rolesOf(await read(t, second.app)).slice(2, 5), ['root 3', 'root 2', 'targets 1'])
  const { app } = await published(t)
  const none = await read(t, app, (file) => (/^\d+\.root/.test(file) ? 404 : undefined))
  assert.deepEqual(rolesOf(none).slice(2, 4), ['root 3', 'targets 1'])
  // Roots before a gap are useless: each is trusted through the one before it.
  const gap = await read(t, app, (file) => (file === '2.root.json' ? 404 : undefined))
  assert.deepEqual(rolesOf(gap).slice(2, 4), ['root 3', 'targets 1'])
})

test('a publish during the read mixes no states', async (t) => {
  const { app, world } = await published(t)
  const before = await read(t, app)
  let left = 1
  const during = await read(t, app, async (file) => {
    if (!file.startsWith('snapshot.') || left === 0) return undefined
    left -= 1
    world.rotateRoot(app.clock.now)
    world.addTarget('later')
    await world.publish(app, 'root', 'targets')
    return undefined
  })
  assert.deepEqual(during, before)
  assert.notDeepEqual(await read(t, app), before)
})

test('a missing repository, root or named document is reported', async (t) => {
  const { app } = await published(t)
  const unknown = /^http:\/\/127\.0\.0\.1:\d+ has no trust data for source\.example\/team\/app$/
  await assert.rejects(
    read(t, app, () => 404),
    { code: 'NOT_FOUND', message: unknown },
  )
  await assert.rejects(
    read(t, app, (file) => (file.startsWith('root.') ? 404 : undefined)),
    { code: 'NOT_FOUND', message: unknown },
  )
  for (const [role, by] of [
    ['snapshot', 'timestamp'],
    ['targets', 'snapshot'],
    ['targets/releases', 'snapshot'],
  ]) {
    const reading = read(t, app, (file) => (file.startsWith(`${role}.`) ? 404 : undefined))
    await assert.rejects(reading, { code: 'REGISTRY', message: new RegExp(`has no ${role}, which its ${by} names$`) })
  }
})

test('an unusable document is an error that says whose and which it is, and why', async (t) => {
  const { app } = await published(t)
  const timestamp = await current(app, 'timestamp.json')
  const root = await current(app, 'root.json')
  const first = await current(app, '1.root.json')
  const cases: [name: string, meddle: (file: string) => Buffer | undefined, words: RegExp][] = [
    [
      'cut',
      (file) => part(file === 'timestamp.json', timestamp.subarray(0, 99)),
      /has a timestamp that cannot be used/,
    ],
    ['a page', (file) => part(file.startsWith('targets.'), Buffer.from('<html>')), /has a targets that cannot be used/],
    ['another role', (file) => part(file === 'timestamp.json', root), /a timestamp that cannot be used: .*Timestamp/],
    [
      'another one',
      (file) => part(file.startsWith('snapshot.'), timestamp),
      /a snapshot that .*expected type Snapshot/,
    ],
    ['another root', (file) => part(file === '2.root.json', root), /version 3 of root where version 2 should be/],
    ['an older root', (file) => part(file === '2.root.json', first), /version 1 of root where version 2 should be/],
    [
      'a snapshot that is not the one named',
      (file) => part(file.startsWith('snapshot.'), emptySnapshot(root)),
      /has a snapshot that cannot be used: sha256 checksum for snapshot did not match/,
    ],
    ['no names', (file) => part(file === 'timestamp.json', noNames(timestamp)), /has a timestamp that cannot be used/],
  ]
  for (const [name, meddle, words] of cases) {
    await assert.rejects(read(t, app, meddle), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'REGISTRY', name)
      assert.equal(error.hint?.includes('delegation purge') ?? false, / targets /.test(error.message), name)
      assert.match(error.message, words, name)
      assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+ /, name)
      return true
    })
  }
})

test('all documents together must fit in one request', async (t) => {
  const { app } = await published(t)
  // The timestamp names this snapshot, so that nothing but its size is wrong.
  const [signed = ''] = String(await current(app, 'snapshot.json')).split(',"signatures"')
  const sized = (bytes: number): Buffer =>
    Buffer.concat([Buffer.from(signed), Buffer.from(',"signatures":[]}'), Buffer.alloc(bytes, ' ')])
  const naming = (snapshot: Buffer): Meddle => {
    const meta = { snapshot: fileMeta(snapshot) }
    const timestamp = signedFile({ _type: 'Timestamp', expires: '2030-01-01T00:00:00Z', meta, version: 9 }, [])
    return (file) => (file === 'timestamp.json' ? timestamp : part(file === fileName(snapshot), snapshot))
  }
  await read(t, app, naming(sized(TRUST_DATA_MAX_BYTES - 20_000)))
  await assert.rejects(read(t, app, naming(sized(TRUST_DATA_MAX_BYTES - signed.length - 40))), {
    code: 'REGISTRY',
    message: /has more than 11534336 bytes of trust data for source\.example\/team\/app$/,
  })
})

test('a document named without sha256 is the current one, checked against its other checksum', async (t) => {
  const { app } = await published(t)
  const snapshot = await current(app, 'snapshot.json')
  const { hashes, length } = fileMeta(snapshot)
  const naming = (sha512: string | undefined): Buffer => {
    const meta = { snapshot: { hashes: { sha512 }, length } }
    return signedFile({ _type: 'Timestamp', expires: '2030-01-01T00:00:00Z', meta, version: 9 }, [])
  }
  const documents = await read(t, app, (file) => part(file === 'timestamp.json', naming(hashes['sha512'])))
  assert.deepEqual(documents[1]?.bytes, snapshot)
  const other = fileMeta(Buffer.from('other')).hashes['sha512']
  const reading = read(t, app, (file) => part(file === 'timestamp.json', naming(other)))
  await assert.rejects(reading, { message: /sha512 checksum for snapshot did not match/ })
})

test('at most 2,000 documents are read', async () => {
  const root = (version: number): Buffer =>
    signedFile({ _type: 'Root', expires: '2030-01-01T00:00:00Z', version, keys: {}, roles: {} }, [])
  const chain = (newest: number): Promise<ForeignDocument[]> => {
    const bytes = signedFile({ _type: 'Targets', expires: '2030-01-01T00:00:00Z', version: 1, targets: {} }, [])
    const meta = { root: fileMeta(root(newest)), targets: fileMeta(bytes) }
    const snapshot = signedFile({ _type: 'Snapshot', expires: '2030-01-01T00:00:00Z', version: 1, meta }, [])
    const of = { snapshot: fileMeta(snapshot) }
    const timestamp = signedFile({ _type: 'Timestamp', expires: '2030-01-01T00:00:00Z', version: 1, meta: of }, [])
    const all = { timestamp, snapshot, targets: bytes }
    const source = {
      name: 'a list',
      document: async (role: string, which?: object) =>
        role === 'root'
          ? root(which !== undefined && 'version' in which ? Number(which.version) : newest)
          : all[role as 'targets'],
    }
    return readTrustData(source, GUN)
  }
  assert.equal((await chain(1_997)).length, 2_000)
  await assert.rejects(chain(1_998), { code: 'REGISTRY', message: /^a list has more than 2000 documents for / })
})

function part(asked: boolean, bytes: Buffer): Buffer | undefined {
  return asked ? bytes : undefined
}

function fileName(snapshot: Buffer): string {
  return `snapshot.${sha256(snapshot)}.json`
}

function emptySnapshot(root: Buffer): Buffer {
  const meta = { root: fileMeta(root), targets: fileMeta(root) }
  return signedFile({ _type: 'Snapshot', expires: '2030-01-01T00:00:00Z', meta, version: 1 }, [])
}

function noNames(timestamp: Buffer): Buffer {
  const document = JSON.parse(String(timestamp)) as Signed
  document.signed.meta = {}
  return Buffer.from(JSON.stringify(document))
}

test('a source with endless documents, or a slow one, is given up', async () => {
  const key = makeKey('ed25519')
  const expires = '2030-01-01T00:00:00Z'
  const files = new Map<string, Buffer>()
  const delegate = (role: string, names: readonly string[]): void => {
    const roles = names.map((name) => ({ keyids: [key.id], name: `${role}/${name}`, paths: [''], threshold: 1 }))
    const delegations = { keys: { [key.id]: key.entry }, roles }
    files.set(role, signedFile({ _type: 'Targets', expires, version: 1, delegations, targets: {} }, []))
  }
  const numbers = Array.from({ length: 1_000 }, (_, number) => `n${number}`)
  files.set('root', signedFile({ _type: 'Root', expires, version: 1 }, []))
  delegate('targets', numbers)
  for (const name of numbers) delegate(`targets/${name}`, name === 'n0' || name === 'n1' ? numbers : [])
  for (const name of numbers) for (const parent of ['n0', 'n1']) delegate(`targets/${parent}/${name}`, [])
  const meta = Object.fromEntries([...files].map(([role, bytes]) => [role, fileMeta(bytes)]))
  const snapshot = signedFile({ _type: 'Snapshot', expires, version: 1, meta }, [])
  files.set('snapshot', snapshot)
  const named = { snapshot: fileMeta(snapshot) }
  files.set('timestamp', signedFile({ _type: 'Timestamp', expires, version: 1, meta: named }, []))
  let asked = 0
  const source = { name: 'a list', document: async (role: string) => ((asked += 1), files.get(role)) }
  await assert.rejects(readTrustData(source, GUN), {
    code: 'REGISTRY',
    message: 'a list has more than 2000 documents for source.example/team/app',
  })
  assert.equal(asked, 2_001)
  asked = 0
  const slow = readTrustData(source, GUN, () => asked * 29_000)
  await assert.rejects(slow, { code: 'REGISTRY', message: /^a list takes more than 15 minutes for source/ })
  assert.equal(asked, 32)
})

test('an error message stays short, however long the document', async () => {
  const timestamp = signedFile({ _type: 'x'.repeat(500_000), expires: '2030-01-01T00:00:00Z', version: 1 }, [])
  const reading = readTrustData({ name: 'a list', document: async () => timestamp }, GUN)
  await assert.rejects(reading, ({ message }: Error) => {
    assert.match(message, /expected type Timestamp, not x+$/)
    return message.length < 300
  })
})
