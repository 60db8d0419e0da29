import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { checkStore } from '../../src/admin/check.ts'
import { revokeToken, type TokenRow } from '../../src/admin/tokens.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'

const PASSWORD = 'correct horse'
const DAY = 86_400_000
const ALLOW = 'read,sign:example.org/team/*'
const MAX = 100
const ALICE = `Basic ${Buffer.from(`alice:${PASSWORD}`).toString('base64')}`

describe('the number of tokens of a user', () => {
  let server: TestServer
  /** Texts of the tokens, in the order made. */
  const texts: string[] = []
  let root: string

  before(async () => {
    server = await startTestServer({ settings: { admin: { listen: { port: 0 } }, access: { mode: 'built-in' } } })
    await addPerson(server.running, 'alice', [ALLOW, 'sign:*'], PASSWORD)
    await addPerson(server.running, 'bob', [ALLOW])
    root = `Bearer ${await makeToken(server.running, 'root', ['admin:*'], { days: 3650 })}`
    for (let made = 0; made < MAX; made += 1) texts.push(await make(`old-${made}`))
  })
  after(() => server.stop())

  const make = (name: string, owner = 'alice', days = 1): Promise<string> =>
    makeToken(server.running, name, [ALLOW], { owner, days })

  function ask(method: string, path: string, authorization: string, body?: object): Promise<Answer> {
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    const headers = { authorization }
    return exchange(endpoint, {
      method,
      path: `/api/v1${path}`,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  const askForOne = (name: string, more: object = {}, by = ALICE): Promise<Answer> =>
    ask('POST', '/tokens', by, { name, grants: [{ pattern: 'example.org/team/*', actions: ['read'] }], ...more })

  async function list(by: string): Promise<TokenRow[]> {
    return JSON.parse((await ask('GET', '/tokens', by)).body.toString()) as TokenRow[]
  }

  test('is limited to 100 usable ones, except when an admin creates it or it has no owner', async () => {
    const before = server.running.store.tail()
    for (const answer of [await askForOne('more'), await askForOne('more', { owner: 'alice' }, ALICE)]) {
      assert.equal(answer.status, 409)
      const { message, hint } = (JSON.parse(answer.body.toString()) as { error: { message: string; hint: string } })
        .error
      assert.equal(message, 'alice has 100 tokens, the most for one user')
      assert.match(hint, /^revoke those that are not needed/)
    }
    assert.deepEqual(server.running.store.tail(), before)
    await make('by-an-admin')
    assert.equal((await ask('DELETE', '/tokens/by-an-admin', ALICE)).status, 200)
    await make('of-bob', 'bob')
    await makeToken(server.running, 'of-nobody', [ALLOW])
  })

  test('shrinks when one is revoked', async () => {
    assert.equal((await ask('DELETE', '/tokens/old-0', ALICE)).status, 200)
    assert.equal((await askForOne('new-0', { days: 7.5 })).status, 200)
    const made = (await list(ALICE)).find(({ name }) => name === 'new-0')
    assert.equal(made?.expires, server.clock.now + 7.5 * DAY)
    assert.equal((await askForOne('more')).status, 409)
  })

  test('does not count ended ones; the last hundred of them are kept, and the audit names all', async () => {
    const key = await exchange(server, {
      path: tufPath('example.org/team/app', 'timestamp.key'),
      headers: { authorization: `Bearer ${texts[1]}` },
    })
    assert.equal(key.status, 200)
    server.clock.now += 2 * DAY
    assert.equal((await askForOne('next', { days: 1 })).status, 200)
    const world = worldOf(server.running)
    for (let made = 1; made <= MAX + 1; made += 1) {
      server.clock.now += 1_000
      await make(`turn-${made}`)
      await revokeToken.run(world, { token: `turn-${made}` }, { name: 'local' })
    }
    await make('last')
    const alive = ['new-0', 'next', 'last']
    const names = new Set((await list(ALICE)).map(({ name }) => name))
    assert.equal(names.size, alive.length + MAX)
    for (const name of [...alive, `turn-${MAX + 1}`, 'turn-2']) assert.ok(names.has(name), name)
    for (const name of ['old-0', 'old-1', 'old-99', 'turn-1']) assert.ok(!names.has(name), name)
    const others = new Set((await list(root)).map(({ name }) => name))
    for (const name of ['root', 'of-bob', 'of-nobody']) assert.ok(others.has(name), name)
    const audit = (await ask('GET', '/audit?limit=1000', root)).body.toString()
    assert.match(audit, /token:old-1"/)
    const { findings } = await checkStore.run(world, {}, { name: 'test' })
    assert.deepEqual(findings, [])
    const refused = await exchange(server, { path: '/v2/', headers: { authorization: `Bearer ${texts[1]}` } })
    assert.equal(refused.status, 401)
  })

  test('loses no usable one while the clock is ahead', async () => {
    const world = worldOf(server.running)
    for (let made = 0; made < MAX - 2; made += 1) await make(`long-${made}`, 'alice', 30)
    server.clock.now += 60 * DAY
    for (let made = 0; made < 3; made += 1) {
      await make(`ahead-${made}`)
      await revokeToken.run(world, { token: `ahead-${made}` }, { name: 'local' })
    }
    server.clock.now -= 60 * DAY
    const names = new Set((await list(ALICE)).map(({ name }) => name))
    for (let made = 0; made < MAX - 2; made += 1) assert.ok(names.has(`long-${made}`), `long-${made}`)
  })
})
