import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { alteredSigner } from '../support/altered-signer.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'docker.io/library/kept'
const NOW = Date.UTC(2026, 10, 24)
const DAY = 86_400_000

describe('a kept answer', () => {
  let app: LocalApp
  let world: TrustWorld

  before(async () => {
    app = await startLocalApp({ now: NOW })
    world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(app, GUN), snapshot: 'server' })
    await world.publishFirst(app)
  })
  after(() => app.close())

  const get = (file: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    exchange(app, { method, path: tufPath(GUN, file), headers })
  const twice = async (file: string): Promise<Answer> => {
    const [first, second] = [await get(file), await get(file)]
    assert.deepEqual(second.body, first.body)
    assert.equal(second.status, first.status)
    const { 'x-request-id': one, ...headers } = first.headers
    const { 'x-request-id': other, ...again } = second.headers
    assert.notEqual(one, other)
    assert.deepEqual({ ...again, date: '' }, { ...headers, date: '' })
    return second
  }

  test('differs from the first only in its request id, and is logged like it', async () => {
    app.lines.length = 0
    await twice('targets.json')
    await until('both lines', () => app.lines.length >= 2)
    const [first, second] = app.lines.map((line) => ({ ...line, requestId: '', ms: 0 }))
    assert.deepEqual(second, first)
  })

  test('is not sent for a conditional request, a HEAD, or one with credentials or a body', async () => {
    const { headers, body } = await twice('root.json')
    assert.equal((await get('root.json', { 'if-none-match': String(headers['etag']) })).status, 304)
    const head = await get('root.json', {}, 'HEAD')
    assert.equal(head.body.length, 0)
    assert.equal(head.headers['content-length'], String(body.length))
    assert.equal((await get('root.json', { authorization: 'Bearer x' })).status, 200)
  })

  test('is not sent for two Host headers or an unsupported HTTP version', async () => {
    await twice('root.json')
    for (const [version, hosts] of [
      ['1.1', 'Host: x\r\nHost: y\r\n'],
      ['1.1', 'Host: x\r\nhost: y\r\n'],
      ['1.1', 'HOST: x\r\nhost: y\r\n'],
      ['2.0', 'Host: x\r\n'],
    ]) {
      const connection = await RawConnection.open(app)
      const answer = await connection.ask(`GET ${tufPath(GUN, 'root.json')} HTTP/${version}\r\n${hosts}\r\n`)
      assert.match(answer, /^HTTP\/1\.1 400 [^]*\r\nConnection: close\r\n/, version)
      await connection.closed()
    }
  })

  test('is not sent after a publish, under any name', async () => {
    const files = ['timestamp.json', 'snapshot.json', 'targets.json', '1.targets.json']
    const before = new Map<string, Buffer>()
    for (const file of files) before.set(file, (await twice(file)).body)
    world.addTarget('v2')
    await world.publish(app, 'targets')
    for (const file of files) {
      const same = before.get(file)?.equals((await twice(file)).body)
      assert.equal(same, file === '1.targets.json', file)
    }
    assert.deepEqual((await get('targets.json')).body, world.files.get('targets'))
  })

  test('is not sent after a publish, even while others are being written', async (t) => {
    t.mock.method(app.trust.store, 'writes', () => undefined)
    const before = await twice('targets.json')
    world.addTarget('v3')
    await world.publish(app, 'targets')
    const after = await twice('targets.json')
    assert.notDeepEqual(after.body, before.body)
    assert.deepEqual(after.body, world.files.get('targets'))
  })

  test('is not sent once the server has to sign again', async () => {
    const before = await twice('timestamp.json')
    app.clock.now = NOW + 15 * DAY
    const renewed = await twice('timestamp.json')
    assert.notDeepEqual(renewed.body, before.body)
    assert.ok(
      Date.parse((JSON.parse(renewed.body.toString()) as { signed: { expires: string } }).signed.expires) >
        app.clock.now,
    )
  })

  test('is not sent after a delete', async () => {
    const current = await twice('root.json')
    await twice('1.root.json')
    assert.equal(current.status, 200)
    await exchange(app, { method: 'DELETE', path: tufPath(GUN) })
    for (const file of ['root.json', '1.root.json', 'timestamp.json']) assert.equal((await get(file)).status, 404, file)
  })

  test('is not sent once the server stops: each answer is then the last on its connection', async () => {
    const ping = (): Promise<Answer> => exchange(app, { path: '/v2/' })
    for (const _ of [1, 2]) assert.equal((await ping()).headers['connection'], 'keep-alive')
    app.accepting = false
    assert.equal((await ping()).headers['connection'], 'close')
  })
})

test('a kept answer is not sent once the snapshot has expired, even under a valid timestamp', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(app, GUN), snapshot: 'server' })
  await world.publishFirst(app)
  const { signer } = app.trust
  const withoutToken = alteredSigner(signer, {
    async sign(owner, ...rest) {
      if (owner.role === 'snapshot') throw new TrustError('SIGNER_UNAVAILABLE', 'its token is away')
      return signer.sign(owner, ...rest)
    },
  })
  app.clock.now += 1094 * DAY
  assert.deepEqual(await renewDue({ ...app.trust, signer: withoutToken }), { renewed: 1, failed: 0 })
  const files = ['timestamp.json', 'snapshot.json']
  const read = async (): Promise<Buffer[]> =>
    Promise.all(files.map(async (file) => (await exchange(app, { path: tufPath(GUN, file) })).body))
  const before = await read()
  assert.deepEqual(await read(), before)
  app.clock.now += 2 * DAY
  for (const [index, body] of (await read()).entries()) assert.notDeepEqual(body, before[index], files[index])
})

test('of more documents than there is room for, some stay kept; one asked for again soon is kept', async (t) => {
  let reads = 0
  const app = await startLocalApp({
    now: NOW,
    alter: ({ store }) => ({
      store: {
        ...store,
        document(...asked) {
          reads += 1
          return store.document(...asked)
        },
      },
    }),
  })
  t.after(() => app.close())
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(app, GUN), snapshot: 'server' })
  world.addTarget('large', 'targets', { ...fileMeta(Buffer.of()), custom: { text: 'x'.repeat(1_000_000) } })
  await world.publishFirst(app)
  // Kept by URL as sent, in which slashes may be doubled: many documents without many repositories.
  const readsOf = async (from: number, to: number): Promise<number> => {
    const before = reads
    for (let slashes = from; slashes <= to; slashes += 1) {
      const { status } = await exchange(app, { path: tufPath(GUN, 'targets.json').replace('/', '/'.repeat(slashes)) })
      assert.equal(status, 200)
    }
    return reads - before
  }
  const [first, second] = [await readsOf(1, 30), await readsOf(1, 30)]
  assert.ok(second < 0.7 * first, `${second} reads instead of ${first}`)
  await readsOf(31, 31)
  await readsOf(31, 31)
  assert.equal(await readsOf(31, 31), 0)
})
