import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errorOf, exchange } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload } from '../support/upload.ts'

const ROUTES = [
  ['GET', 'tuf/root.json'],
  ['GET', 'tuf/1.root.json'],
  ['GET', 'tuf/timestamp.key'],
  ['POST', 'tuf/timestamp.key'],
  ['DELETE', 'tuf/'],
  ['GET', 'changefeed?records=1'],
] as const

const encoded = (gun: string): string => gun.split('/').map(encodeURIComponent).join('/')

describe('names of repositories (wire spec §2.1)', () => {
  let app: LocalApp

  before(async () => {
    app = await startLocalApp({ settings: { gunPrefixes: ['allowed/', 'docker.io/'] } })
  })
  after(() => app.close())

  const notRouted = async (gun: string): Promise<void> => {
    for (const [method, rest] of ROUTES) {
      const answer = await exchange(app, { method, path: `/v2/${encoded(gun)}/_trust/${rest}` })
      assert.equal(answer.status, 404, `${method} ${gun} ${rest}`)
      assert.doesNotMatch(answer.body.toString(), /detail/)
    }
  }

  test('outside the prefixes an upload is told so, and nothing else exists', async () => {
    for (const gun of ['other/app', 'allowed', 'allowedx/app', 'Allowed/app', 'x/allowed/app']) {
      await notRouted(gun)
      const answer = await upload(app, gun, [])
      assert.equal(answer.status, 400, gun)
      assert.deepEqual(errorOf(answer), {
        code: 'INVALID_GUN',
        name: 'ErrValidation',
        message: 'Require GUNs with prefix: [allowed/ docker.io/]',
      })
    }
    assert.equal(app.trust.store.tail().number, 0)
  })

  test('a name that no repository can have is refused before its body is read', async () => {
    for (const gun of [
      'allowed/*',
      'allowed/..',
      'allowed/./a',
      'allowed/a\n',
      'allowed/a\\b',
      `allowed/${'a'.repeat(250)}`,
    ]) {
      await notRouted(gun)
      const answer = await upload(app, gun, [])
      assert.equal(answer.status, 400, gun)
      assert.equal(errorOf(answer).code, 'INVALID_GUN')
    }
  })

  test('inside them all is as ever, and routes without a name are for everybody', async () => {
    const gun = 'allowed/app'
    const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
    await world.publishFirst(app)
    assert.equal((await exchange(app, { path: tufPath(gun, 'root.json') })).status, 200)
    for (const path of ['/v2/', '/v2/_trust/changefeed?records=1', '/_notary_server/health']) {
      assert.equal((await exchange(app, { path })).status, 200, path)
    }
  })
})
