import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createAccess } from '../../src/access/access.ts'
import { Passwords } from '../../src/access/passwords.ts'
import { adminApp } from '../../src/http/admin/app.ts'
import { authenticateAdmin } from '../../src/http/admin/authenticate.ts'
import { clientAddresses } from '../../src/http/client-address.ts'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import { listen, type Listening } from '../../src/http/server.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { PLAIN_HTTP_WORDS, settingsSchema } from '../../src/settings/schema.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { openLocalTrust, type LocalTrust } from '../support/local-trust.ts'
import { addPerson, makeToken, worldOf, type Place } from '../support/people.ts'

const GUN = 'docker.io/acme/app'
const PASSWORD = 'correct horse battery'

describe('the log has one line for each admin request', () => {
  let local: LocalTrust
  let listening: Listening
  let place: Place
  let token: string
  let broken: Error | undefined
  const lines: Line[] = []

  before(async () => {
    local = await openLocalTrust(Date.now())
    const trust: Trust = {
      ...local.trust,
      log: keptLog(lines),
      store: {
        ...local.trust.store,
        head(gun) {
          if (broken !== undefined) throw broken
          return local.trust.store.head(gun)
        },
      },
    }
    place = { trust }
    const { store: directory, now } = trust
    const passwords = new Passwords(directory, now)
    const access = createAccess({ directory, now, passwords, userOfCertificate: () => undefined })
    const settings = settingsSchema.parse({ listen: { port: 0, plainHttp: PLAIN_HTTP_WORDS } })
    const clients = clientAddresses([])
    const metrics = createMetrics(trust, local.directory)
    const app = adminApp(
      worldOf(place),
      authenticateAdmin(access, clients, 16_384, trust.now),
      clients,
      metrics,
      1_000_000,
    )
    listening = await listen(app, settings, undefined)
    await addPerson(place, 'root', ['admin:*'], PASSWORD)
    token = await makeToken(place, 'ci', ['read:docker.io/acme/*'])
  })
  after(async () => {
    await listening.close()
    await local.close()
  })

  const bearer = (text: string): string => `Bearer ${text}`
  const root = `Basic ${Buffer.from(`root:${PASSWORD}`).toString('base64')}`

  async function ask(method: string, path: string, authorization: string, body?: object): Promise<Answer> {
    lines.length = 0
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    const ways = { method, path: `/api/v1${path}`, headers: { authorization }, ...text }
    return exchange({ url: `http://localhost:${listening.port}` }, ways)
  }

  /** Returns the one line, without the members that differ each time. */
  function line(answer: Answer): object {
    assert.equal(lines.length, 1)
    const { requestId, address, ms, ...rest } = lines[0]!
    assert.equal(requestId, answer.headers['x-request-id'])
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.match(String(address), /127\.0\.0\.1|::1/)
    assert.ok(typeof ms === 'number' && ms > 0)
    return rest
  }

  test('a request that is done has the same request id in log and journal', async () => {
    const answer = await ask('POST', '/users', root, { name: 'new', grants: [] })
    const done = { level: 'info', text: 'admin request', method: 'POST', operation: 'user.add', status: 200 }
    assert.deepEqual(line(answer), { ...done, actor: 'user:root' })
    const [entry] = [...place.trust.store.journal()].slice(-1)
    assert.equal(entry?.actor.requestId, lines[0]?.['requestId'])
  })

  test('a refused request is logged with its actor and repository', async () => {
    const answer = await ask('DELETE', `/repositories/${encodeURIComponent(GUN)}`, bearer(token))
    const refused = { level: 'info', text: 'admin request refused', method: 'DELETE', operation: 'repo.delete' }
    const facts = { gun: GUN, status: 403, actor: 'token:ci', refused: `token:ci may not delete ${GUN}` }
    assert.deepEqual(line(answer), { ...refused, ...facts })
  })

  test('wrong credentials are logged as a refusal', async () => {
    const answer = await ask('GET', '/users', bearer(`${token}x`))
    const facts = { method: 'GET', operation: 'user.list', status: 401, refused: 'the credentials are wrong' }
    assert.deepEqual(line(answer), { level: 'info', text: 'admin request refused', ...facts })
  })

  test('a token in the path, as revoking by its text has it, is not logged', async () => {
    const answer = await ask('DELETE', `/tokens/${token}`, root)
    assert.equal(answer.status, 404)
    line(answer)
    await ask('GET', `/no/such/${token}?and=${token}`, root)
    assert.doesNotMatch(JSON.stringify(lines), /cs_/)
  })

  test('an invalid URL is logged as a refusal, without the URL', async () => {
    lines.length = 0
    const url = `http://localhost:${listening.port}`
    const answer = await exchange({ url }, { path: `http://[api/v1/tokens/${token}`, headers: { authorization: root } })
    assert.equal(answer.status, 400)
    assert.partialDeepStrictEqual(line(answer), { level: 'info', text: 'admin request refused', operation: 'unknown' })
    assert.doesNotMatch(JSON.stringify(lines), /cs_/)
  })

  test('an internal error is logged with its cause, which the answer hides', async () => {
    broken = new Error('the disk is on fire')
    const answer = await ask('GET', `/repositories/${encodeURIComponent(GUN)}`, bearer(token))
    broken = undefined
    assert.equal(answer.status, 500)
    assert.doesNotMatch(answer.body.toString(), /fire/)
    assert.partialDeepStrictEqual(line(answer), { level: 'error', text: 'admin request failed', actor: 'token:ci' })
    assert.match(String(lines[0]?.['err']), /fire/)
  })

  test('a 429 has Retry-After', async () => {
    const wrong = `Basic ${Buffer.from('nobody:wrong').toString('base64')}`
    for (let guess = 0; guess < 5; guess += 1) assert.equal((await ask('GET', '/users', wrong)).status, 401)
    const { status, headers } = await ask('GET', '/users', wrong)
    assert.deepEqual([status, headers['retry-after']], [429, '1'])
  })
})
