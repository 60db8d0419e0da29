import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ROUTES } from '../../src/http/routes.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'docker.io/library/routes'
const ROUTER_404 =
  '{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist."}]}\n'
const STORE_404 =
  '{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist.","detail":{}}]}\n'

/**
 * What a path answers to the methods it knows; of the five, the router gives 404 to the others, and 405 to the rest.
 */
const TABLE: readonly { path: string; pattern: string; answers: Readonly<Record<string, number>> }[] = [
  { path: '/v2/', pattern: '/v2/', answers: { GET: 200 } },
  { path: '/v2/_trust/changefeed?records=1', pattern: '/v2/_trust/changefeed', answers: { GET: 200 } },
  { path: tufPath(GUN), pattern: '/v2/*gun/_trust/tuf/', answers: { POST: 400, DELETE: 200 } },
  { path: tufPath(GUN, 'root.json'), pattern: '/v2/*gun/_trust/tuf/*file', answers: { GET: 200 } },
  { path: tufPath(GUN, '1.root.json'), pattern: '/v2/*gun/_trust/tuf/*file', answers: { GET: 200 } },
  { path: tufPath(GUN, 'targets/none.json'), pattern: '/v2/*gun/_trust/tuf/*file', answers: { GET: 404 } },
  { path: tufPath(GUN, 'timestamp.key'), pattern: '/v2/*gun/_trust/tuf/*file', answers: { GET: 200, POST: 200 } },
  { path: `/v2/${GUN}/_trust/changefeed?records=1`, pattern: '/v2/*gun/_trust/changefeed', answers: { GET: 200 } },
  // Exists only with the built-in token endpoint.
  { path: '/auth/token', pattern: '/auth/token', answers: { GET: 404, POST: 404 } },
  { path: '/_notary_server/health', pattern: '/_notary_server/health', answers: { GET: 200 } },
  { path: '/healthz/ready', pattern: '/healthz/ready', answers: { GET: 200 } },
  { path: '/healthz/live', pattern: '/healthz/live', answers: { GET: 200 } },
  { path: '/metrics', pattern: '/metrics', answers: { GET: 200 } },
  ...['/', '/v2', '/v1/', '/V2/', tufPath(GUN, 'foo.json'), tufPath(GUN, 'root.json/'), `/v2/${GUN}/_trust/tuf`].map(
    (path) => ({ path, pattern: 'none', answers: {} }),
  ),
]

const ANSWERED_WITH_404 = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']
const METHODS = [...ANSWERED_WITH_404, 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']

describe('every method on every route', () => {
  let app: LocalApp
  let world: TrustWorld

  before(async () => {
    app = await startLocalApp()
    world = await TrustWorld.create({ gun: GUN, now: app.clock.now, serverKeys: keysFrom(app, GUN) })
  })
  after(() => app.close())

  const ask = async (method: string, path: string): Promise<Answer> => {
    if (app.trust.store.head(world.gun as never)?.roles['root'] === undefined) await world.fork().publishFirst(app)
    return exchange(app, { method, path })
  }

  test('the table below names every route and every method of it', () => {
    const inTable = TABLE.flatMap(({ pattern, answers }) =>
      Object.keys(answers).map((method) => `${method} ${pattern}`),
    )
    const inCode = ROUTES.map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual([...new Set(inTable)].toSorted(), inCode.toSorted())
  })

  for (const { path, answers } of TABLE) {
    test(path, async () => {
      for (const method of METHODS) {
        const known = answers[method === 'HEAD' ? 'GET' : method]
        const answer = await ask(method, path)
        const expected = known ?? (ANSWERED_WITH_404.includes(method) ? 404 : 405)
        assert.equal(answer.status, expected, `${method} ${path}`)
        assert.equal(answer.headers.location, undefined)
        const isDocument = answer.status === 200 && path.endsWith('.json')
        assert.equal(answer.headers['cache-control'] === 'no-store', !isDocument, `${method} ${path}`)
        if (expected === 405) {
          assert.equal(answer.body.length, 0)
          assert.equal(answer.headers['content-length'], '0')
          assert.equal(answer.headers['content-type'], undefined)
        }
        if (known === undefined && expected === 404 && method !== 'HEAD') {
          assert.equal(answer.body.toString(), ROUTER_404, `${method} ${path}`)
          assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
        }
      }
    })

    test(`HEAD ${path} is GET without the body`, async () => {
      const [get, head] = [await ask('GET', path), await ask('HEAD', path)]
      assert.equal(head.status, get.status)
      assert.equal(head.body.length, 0)
      for (const name of ['content-type', 'etag', 'cache-control', 'last-modified']) {
        assert.equal(head.headers[name], get.headers[name], name)
      }
      // Metrics grow between two requests.
      if (path !== '/metrics') assert.equal(head.headers['content-length'], String(get.body.length))
    })
  }

  test('404 has a detail if the path is valid and the document is missing', async () => {
    for (const path of [
      tufPath(GUN, 'targets/none.json'),
      tufPath(GUN, '0.root.json'),
      tufPath(GUN, '9.root.json'),
      tufPath(GUN, `root.${'0'.repeat(64)}.json`),
      tufPath('no/such/repository', 'root.json'),
    ]) {
      const answer = await ask('GET', path)
      assert.equal(answer.status, 404, path)
      assert.equal(answer.body.toString(), STORE_404, path)
      for (const name of ['etag', 'last-modified']) assert.equal(answer.headers[name], undefined)
    }
  })

  test('all spellings of a path name one repository and no other', async () => {
    const root = (await ask('GET', tufPath(GUN, 'root.json'))).body
    for (const path of [
      `/v2/${encodeURIComponent(GUN)}/_trust/tuf/root.json`,
      `//v2//docker.io//library/routes/_trust//tuf/root.json`,
      `/v2/${GUN}/%5ftrust/tuf%2Froot%2ejson`,
      `/v2/${GUN}/_trust/tuf/root.json?version=7`,
      `http://elsewhere.example/v2/${GUN}/_trust/tuf/root.json`,
    ]) {
      const answer = await ask('GET', path)
      assert.equal(answer.status, 200, path)
      assert.deepEqual(answer.body, root, path)
    }
    for (const gun of [
      `${GUN}x`,
      `x/${GUN}`,
      GUN.toUpperCase(),
      'docker.io/library',
      encodeURIComponent(GUN).replaceAll('%', '%25'),
    ]) {
      assert.equal((await ask('GET', `/v2/${gun}/_trust/tuf/root.json`)).status, 404, gun)
    }
  })

  test('a GUN may look like a route: the last /_trust/tuf/ separates', async () => {
    for (const gun of ['a/_trust/tuf/b', 'a/_trust/changefeed', '_trust/x', 'a b/ü:5000', 'a%2Fb', 'v2']) {
      const other = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
      await other.publishFirst(app)
      assert.equal((await exchange(app, { path: tufPath(gun, 'root.json') })).status, 200, gun)
      const feed = await exchange(app, { path: `${tufPath(gun).slice(0, -'tuf/'.length)}changefeed?records=5` })
      assert.match(feed.body.toString(), /"count":1/, gun)
    }
  })

  test('an invalid URL gives 400', async () => {
    for (const path of ['/v2/%/_trust/tuf/root.json', '/%ff', 'http://[/v2/', `/v2/?${'x'.repeat(8_192)}`]) {
      const answer = await ask('GET', path)
      assert.equal(answer.status, 400, path)
      assert.match(answer.body.toString(), /INVALID_PARAMETERS/)
    }
  })
})
