import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { revokeToken } from '../../src/admin/tokens.ts'
import { removeUser, setPassword, setUser } from '../../src/admin/users.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { multipartForm, tufPath, upload } from '../support/upload.ts'

const LOCAL = { name: 'local' }
const PASSWORD = 'correct horse battery'
const DAY = 86_400_000

/** A body may take half a minute. A client that delays one must not be able to act after revocation. */
describe('a request whose credentials are revoked or end while its body arrives', () => {
  let server: TestServer

  before(async () => {
    server = await startTestServer({ settings: { admin: { listen: { port: 0 } }, access: { mode: 'built-in' } } })
    await addPerson(server.running, 'chief', ['admin:*'], PASSWORD)
  })
  after(() => server.stop())

  /** Runs `meanwhile` while the server waits for the body. @returns the status */
  async function askSlowly(
    port: number | undefined,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    meanwhile: () => Promise<unknown>,
  ): Promise<number> {
    const all = { ...headers, 'content-length': String(body.length), expect: '100-continue' }
    const sent = request({ hostname: 'localhost', port, ca: server.ca, path, method: 'POST', headers: all })
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>
    sent.flushHeaders()
    await once(sent, 'continue')
    // A password takes a while to check.
    if (headers['authorization']?.startsWith('Basic') === true) await setTimeout(1_000)
    await meanwhile()
    sent.end(body)
    const [answer] = await answered
    answer.resume()
    return answer.statusCode ?? 0
  }

  test('is refused by the admin API', async () => {
    const { running } = server
    const world = worldOf(running)
    const chief = `Basic ${Buffer.from(`chief:${PASSWORD}`).toString('base64')}`
    const stolen = `Bearer ${await makeToken(running, 'stolen', ['admin:*'])}`
    const owned = `Bearer ${await makeToken(running, 'owned', ['admin:*'], { owner: 'chief' })}`
    const { now } = server.clock
    const add = (
      name: string,
      authorization: string,
      meanwhile: () => Promise<unknown>,
      query = '',
    ): Promise<number> => {
      const body = Buffer.from(JSON.stringify({ name, grants: [{ pattern: '*', actions: ['admin'] }] }))
      return askSlowly(running.adminPort, `/api/v1/users${query}`, { authorization }, body, meanwhile)
    }
    assert.equal(await add('in-time', stolen, async () => undefined), 200)
    // A dry run changes nothing, but reveals.
    const lost = `Bearer ${await makeToken(running, 'lost', ['admin:*'])}`
    const revoke = (): Promise<unknown> => revokeToken.run(world, { token: 'lost' }, LOCAL)
    assert.equal(await add('rehearsed', lost, revoke, '?dryRun=true'), 401)
    const changes: [string, string, () => Promise<unknown>][] = [
      ['expired', stolen, async () => void (server.clock.now += 2 * DAY)],
      ['revoked', stolen, () => revokeToken.run(world, { token: 'stolen' }, LOCAL)],
      ['password', chief, () => setPassword.run(world, { name: 'chief', password: `${PASSWORD} 2` }, LOCAL)],
      ['narrower', owned, () => setUser.run(world, { name: 'chief', grants: [] }, LOCAL)],
      ['removed', owned, () => removeUser.run(world, { name: 'chief' }, LOCAL)],
    ]
    for (const [name, authorization, change] of changes) {
      await setUser.run(world, { name: 'chief', grants: [{ pattern: '*', actions: ['admin'] }] }, LOCAL)
      const status = await add(name, authorization, change)
      server.clock.now = now
      assert.equal(status, name === 'narrower' ? 403 : 401, name)
      assert.equal(running.store.record('user', name), undefined, name)
    }
  })

  test('does not publish', async () => {
    const { running } = server
    const gun = 'example.org/team/slow'
    const token = await makeToken(running, 'job', ['sign:example.org/team/*'])
    const endpoint = { url: server.url, ca: server.ca, authorization: `Bearer ${token}` }
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(endpoint, gun) })
    const { body, contentType } = multipartForm(world.parts('root', 'targets'))
    const { authorization } = endpoint
    const revoke = (): Promise<unknown> => revokeToken.run(worldOf(running), { token: 'job' }, LOCAL)
    const headers = { authorization, 'content-type': contentType }
    assert.equal(await askSlowly(running.port, tufPath(gun), headers, body, revoke), 401)
    assert.deepEqual(running.store.head(parseGun(gun))?.roles, {})
    assert.equal((await exchange(endpoint, { path: tufPath(gun, 'root.json') })).status, 401)
  })

  test('does not publish, delete or make keys after waiting for its turn', async () => {
    const { running } = server
    const gun = parseGun('example.org/team/turns')
    const token = await makeToken(running, 'waiting', ['admin:example.org/team/*'])
    const endpoint = { url: server.url, ca: server.ca, authorization: `Bearer ${token}` }
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(endpoint, gun) })
    await world.publishFirst(endpoint)
    const before = await server.stateHash(gun)
    const held = Promise.withResolvers<void>()
    const holding = running.trust.turns.take(gun, () => held.promise)
    const admin = { ...endpoint, url: `https://localhost:${running.adminPort}` }
    const asked = [
      upload(endpoint, gun, world.nextParts('targets')),
      exchange(endpoint, { method: 'POST', path: tufPath(gun, 'snapshot.key') }),
      exchange(endpoint, { path: tufPath(gun, 'snapshot.key') }),
      exchange(endpoint, { method: 'DELETE', path: tufPath(gun) }),
      exchange(admin, { method: 'DELETE', path: `/api/v1/repositories/${encodeURIComponent(gun)}` }),
    ]
    // Until all of them wait.
    await setTimeout(500)
    await revokeToken.run(worldOf(running), { token: 'waiting' }, LOCAL)
    held.resolve()
    await holding
    for (const answer of await Promise.all(asked)) assert.equal(answer.status, 401, answer.body.toString())
    assert.equal(await server.stateHash(gun), before)
  })

  test('does not publish, even if revoked while the server signs', async (t) => {
    const { running } = server
    const gun = parseGun('example.org/team/signing')
    const token = await makeToken(running, 'late', ['admin:example.org/team/*'])
    const endpoint = { url: server.url, ca: server.ca, authorization: `Bearer ${token}` }
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(endpoint, gun) })
    await world.publishFirst(endpoint)
    const before = await server.stateHash(gun)
    const { signer } = running.trust
    const sign = signer.sign.bind(signer)
    const [signing, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    // Like a slow PKCS#11 token.
    t.mock.method(signer, 'sign', async (...given: Parameters<typeof sign>) => {
      signing.resolve()
      await held.promise
      return sign(...given)
    })
    const answer = upload(endpoint, gun, world.nextParts('targets'))
    await signing.promise
    await revokeToken.run(worldOf(running), { token: 'late' }, LOCAL)
    held.resolve()
    assert.equal((await answer).status, 401)
    assert.equal(await server.stateHash(gun), before)
  })
})
