import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errorOf, exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload } from '../support/upload.ts'

const ROUTES = [
  ['GET', 'tuf/root.json'],
  ['GET', 'tuf/1.root.json'],
  ['POST', 'tuf/timestamp.json'],
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

  const toldSo = async (gun: string): Promise<Answer[]> => {
    const path = `/v2/${encoded(gun)}/_trust/tuf/timestamp.key`
    const answers = [
      await upload(app, gun, []),
      await exchange(app, { path }),
      await exchange(app, { method: 'POST', path }),
    ]
    for (const answer of answers) assert.deepEqual([answer.status, errorOf(answer).code], [400, 'INVALID_GUN'], gun)
    return answers
  }

  test('outside the prefixes a publish is refused with the reason, and reads find nothing', async () => {
    for (const gun of ['other/app', 'allowed', 'allowedx/app', 'Allowed/app', 'x/allowed/app']) {
      await notRouted(gun)
      for (const answer of await toldSo(gun)) {
        assert.equal(errorOf(answer).name, 'ErrValidation')
        assert.equal(errorOf(answer).message, 'Require GUNs with prefix: [allowed/ docker.io/]')
      }
    }
    assert.equal(app.trust.store.tail().number, 0)
  })

  test('an invalid name is refused before the body is read', async () => {
    for (const gun of [
      'allowed/*',
      'allowed/..',
      'allowed/./a',
      'allowed/a\n',
      'allowed/a\\b',
      `allowed/${'a'.repeat(250)}`,
    ]) {
      await notRouted(gun)
      await toldSo(gun)
    }
  })

  test('inside the prefixes nothing changes, and routes without a name are open', async () => {
    const gun = 'allowed/app'
    const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
    await world.publishFirst(app)
    assert.equal((await exchange(app, { path: tufPath(gun, 'root.json') })).status, 200)
    for (const path of ['/v2/', '/v2/_trust/changefeed?records=1', '/_notary_server/health']) {
      assert.equal((await exchange(app, { path })).status, 200, path)
    }
  })
})
