import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'docker.io/library/documents'
const NOW = Date.UTC(2026, 10, 23, 6, 14, 22)
const ROLES = ['root', 'targets', 'snapshot', 'timestamp']

describe('documents and their headers (wire spec §3.1)', () => {
  let app: LocalApp
  let world: TrustWorld

  before(async () => {
    app = await startLocalApp({ now: NOW })
    world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(app, GUN) })
    await world.publishFirst(app)
  })
  after(() => app.close())

  const get = (file: string, headers: Record<string, string> = {}): Promise<Answer> =>
    exchange(app, { path: tufPath(GUN, file), headers })
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

  test('the bytes served are those uploaded', async () => {
    for (const role of ['root', 'targets', 'snapshot']) {
      assert.deepEqual((await get(`${role}.json`)).body, world.files.get(role), role)
    }
  })

  test('all three names give the same bytes, each with its own lifetime', async () => {
    for (const role of ROLES) {
      const current = await get(`${role}.json`)
      const { version } = (JSON.parse(current.body.toString()) as { signed: { version: number } }).signed
      const checksum = sha256(current.body)
      const forms: [string, string][] = [
        [`${role}.json`, 'public, max-age=300, s-maxage=300, must-revalidate'],
        [`${role}.${checksum}.json`, 'public, max-age=2592000, s-maxage=2592000, immutable'],
        [`${role}.${checksum.toUpperCase()}.json`, 'public, max-age=2592000, s-maxage=2592000, immutable'],
        [`${version}.${role}.json`, 'public, max-age=2592000, s-maxage=2592000'],
        [`00${version}.${role}.json`, 'public, max-age=2592000, s-maxage=2592000'],
      ]
      for (const [file, cacheControl] of forms) {
        const answer = await get(file)
        assert.equal(answer.status, 200, file)
        assert.deepEqual(answer.body, current.body, file)
        assert.equal(answer.headers['cache-control'], cacheControl, file)
        assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
        assert.equal(answer.headers['content-length'], String(answer.body.length))
        assert.equal(answer.headers['last-modified'], 'Mon, 23 Nov 2026 06:14:22 GMT')
        assert.equal(answer.headers.etag, `"${checksum}"`)
      }
    }
  })

  test('a checksum names a document of its role only', async () => {
    const checksum = sha256(world.files.get('root') ?? Buffer.alloc(0))
    assert.equal((await get(`root.${checksum}.json`)).status, 200)
    assert.equal((await get(`targets.${checksum}.json`)).status, 404)
    assert.equal((await exchange(app, { path: tufPath(`${GUN}/x`, `root.${checksum}.json`) })).status, 404)
  })

  test('only an If-None-Match that names the current document gives 304', async () => {
    const { etag = '', 'last-modified': modified = '' } = (await get('root.json')).headers
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await get('root.json', { 'if-none-match': header })
      assert.equal(answer.status, 304, header)
      assert.equal(answer.body.length, 0)
      assert.equal(answer.headers.etag, etag)
      assert.match(answer.headers['cache-control'] ?? '', /max-age=300/)
    }
    for (const headers of [
      { 'if-none-match': '"x"' },
      { 'if-none-match': etag.slice(1, -1) },
      { 'if-none-match': '' },
      { 'if-modified-since': modified },
      { range: 'bytes=0-9' },
      { accept: 'text/html' },
      { 'cache-control': 'no-cache' },
    ]) {
      const answer = await get('root.json', headers)
      assert.equal(answer.status, 200, JSON.stringify(headers))
      assert.deepEqual(answer.body, world.files.get('root'))
    }
    assert.equal((await get('9.root.json', { 'if-none-match': '*' })).status, 404)
  })

  test('after a publish, old documents keep their names and the current ones are new', async () => {
    const before = await get('timestamp.json')
    app.clock.now += 60_000
    await world.publish(app, 'targets')
    const { etag } = (await get('timestamp.json')).headers
    assert.notEqual(etag, before.headers.etag)
    const old = await get(`timestamp.${sha256(before.body)}.json`)
    assert.deepEqual(old.body, before.body)
    assert.equal(old.headers['last-modified'], 'Mon, 23 Nov 2026 06:14:22 GMT')
    assert.equal((await get('targets.json')).headers['last-modified'], 'Mon, 23 Nov 2026 06:15:22 GMT')
    assert.equal((await get('root.json')).headers['last-modified'], 'Mon, 23 Nov 2026 06:14:22 GMT')
  })
})

test('a lifetime of 0 forbids caching', async () => {
  const app = await startLocalApp({ settings: { cache: { currentSeconds: 0, consistentSeconds: 60 } } })
  try {
    const world = await TrustWorld.create({ gun: GUN, now: app.clock.now, serverKeys: keysFrom(app, GUN) })
    await world.publishFirst(app)
    const { headers } = await exchange(app, { path: tufPath(GUN, 'root.json') })
    assert.equal(headers['cache-control'], 'max-age=0, no-cache, no-store')
    assert.equal(headers.pragma, 'no-cache')
    const versioned = await exchange(app, { path: tufPath(GUN, '1.root.json') })
    assert.equal(versioned.headers['cache-control'], 'public, max-age=60, s-maxage=60')
  } finally {
    await app.close()
  }
})
