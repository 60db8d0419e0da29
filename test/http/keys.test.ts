import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import type { KeyEntry } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

describe('public keys of the server (wire spec §7)', () => {
  let app: LocalApp

  before(async () => {
    app = await startLocalApp()
  })
  after(() => app.close())

  const ask = async (method: 'GET' | 'POST', gun: string, role = 'timestamp'): Promise<string> => {
    const answer: Answer = await exchange(app, { method, path: tufPath(gun, `${role}.key`) })
    assert.equal(answer.status, 200)
    return answer.body.toString()
  }

  test('members in Go’s order, without a newline', async () => {
    assert.match(
      await ask('GET', 'keys/form'),
      /^\{"keytype":"ecdsa","keyval":\{"public":"[A-Za-z0-9+/]{122}==","private":null\}\}$/,
    )
  })

  test('before the first publish, GET and POST return the same key each time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => ask(index % 2 === 0 ? 'GET' : 'POST', 'keys/many')),
    )
    assert.equal(new Set(answers).size, 1)
    assert.notEqual(await ask('GET', 'keys/many', 'snapshot'), answers[0])
    assert.notEqual(await ask('GET', 'keys/others'), answers[0])
  })

  test('after a publish, GET returns the key in force and POST the next one, until root names it', async () => {
    const gun = 'keys/rotate'
    const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
    const first = await ask('GET', gun)
    await world.publishFirst(app)
    assert.equal(await ask('GET', gun), first)
    const next = await ask('POST', gun)
    assert.notEqual(next, first)
    assert.equal(await ask('POST', gun), next)
    assert.equal(await ask('GET', gun), first)
    world.nameServerKey('timestamp', JSON.parse(next) as KeyEntry)
    await world.publish(app, 'root')
    assert.equal(await ask('GET', gun), next)
    assert.notEqual(await ask('POST', gun), next)
  })

  test('after a delete, there is a new key', async () => {
    const gun = 'keys/deleted'
    const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
    await world.publishFirst(app)
    const first = await ask('GET', gun)
    await exchange(app, { method: 'DELETE', path: tufPath(gun) })
    assert.notEqual(await ask('GET', gun), first)
  })
})
