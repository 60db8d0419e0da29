import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { revokeToken } from '../../src/admin/tokens.ts'
import { removeUser, setPassword, setUser } from '../../src/admin/users.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'localhost:5000/team/app'
/** With a colon: Basic credentials are split at their first one only. */
const PASSWORD = 'correct:horse'

interface Payload {
  readonly sub: string
  readonly aud: string
  readonly exp: number
  readonly iat: number
  readonly access: { readonly type: string; readonly name: string; readonly actions: readonly string[] }[]
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** What docker prints of a refusal. */
const messageIn = (body: Buffer): string =>
  (JSON.parse(body.toString()) as { errors: { message: string }[] }).errors[0]?.message ?? ''

describe('the built-in token endpoint', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer({
      transport: 'plain',
      settings: { access: { mode: 'built-in', tokenLifeSeconds: 120 } },
    })
    await addPerson(server.running, 'alice', ['read,sign:localhost:5000/team/*'], PASSWORD)
    await addPerson(server.running, 'rita', [`rotate:${GUN}`], PASSWORD)
    await addPerson(server.running, 'root', ['admin:*'], PASSWORD)
    await addPerson(server.running, 'certified', ['read:*'])
  })
  after(() => server.stop())

  async function get(query: string, authorization?: string): Promise<Answer> {
    const headers = authorization === undefined ? {} : { authorization }
    return exchange(server, { path: `/auth/token?${query}`, headers })
  }

  async function tokenFor(scope: string, authorization?: string): Promise<{ text: string; payload: Payload }> {
    const answer = await get(`service=countersign&scope=${encodeURIComponent(scope)}`, authorization)
    assert.equal(answer.status, 200, answer.body.toString())
    const { token: text } = JSON.parse(answer.body.toString()) as { token: string }
    const payload = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as Payload
    return { text, payload }
  }

  const rotate = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` }
    return (await exchange(server, { method: 'POST', path: tufPath(GUN, 'timestamp.key'), headers })).status
  }

  test('the ping has one challenge, which names the endpoint', async () => {
    const { status, headers } = await exchange(server, { path: '/v2/' })
    assert.equal(status, 401)
    const challenge = `Bearer realm="${server.url}/auth/token",service="countersign",scope="registry:catalog:*"`
    assert.equal(headers['www-authenticate'], challenge)
  })

  test('the realm does not follow the Host header', async () => {
    const { headers } = await exchange(server, { path: '/v2/', headers: { host: 'evil.example' } })
    assert.match(String(headers['www-authenticate']), /^Bearer realm="http:\/\/localhost:\d+\/auth\/token",/)
  })

  test('the answer has the members that clients read, and must not be cached', async () => {
    const { headers, body } = await get(`scope=repository:${GUN}:pull`, basic('alice', PASSWORD))
    const {
      token,
      access_token: same,
      expires_in: life,
      issued_at: issued,
    } = JSON.parse(body.toString()) as Record<string, unknown>
    assert.equal(token, same)
    assert.equal(life, 120)
    assert.equal(Date.parse(String(issued)), Math.floor(server.clock.now / 1000) * 1000)
    assert.equal(headers['cache-control'], 'no-store')
  })

  test('scopes are reduced to what the user may do', async () => {
    const alice = basic('alice', PASSWORD)
    for (const [scope, expected] of [
      [`repository:${GUN}:pull`, [['pull']]],
      [`repository:${GUN}:push,pull`, [['push', 'pull']]],
      [`repository:${GUN}:*`, [['pull', 'push']]],
      ['repository:localhost:5000/other/app:push,pull', []],
      ['repository:localhost:5000/team:pull', []],
      [`repository:${GUN}:pull repository:localhost:5000/team/b:push repository:x/y:pull`, [['pull'], ['push']]],
      [`repository:${GUN} of us:push,pull`, [['push', 'pull']]],
      [`repository:${GUN}:pull repository(plugin):x/y:pull`, [['pull']]],
      // docker before version 24, when it signs a plugin.
      [`repository(plugin):${GUN}:push,pull`, [['push', 'pull']]],
      [`repository:${GUN} of us:pull repository:${GUN} of all:push registry:catalog:*`, [['pull'], ['push']]],
      ['registry:catalog:*', []],
      [`repository:${GUN}:delete,admin,rotate,read`, []],
      [`repository:${GUN}:constructor,hasOwnProperty,toString,__proto__`, []],
      [`Repository:${GUN}:pull`, []],
      ['repository:*:pull', []],
      ['repository:localhost:5000/team/*:pull', []],
      ['pull', []],
      ['', []],
    ] as const) {
      const { payload } = await tokenFor(scope, alice)
      assert.deepEqual(
        payload.access.map(({ actions }) => actions),
        expected,
        scope,
      )
    }
    const root = basic('root', PASSWORD)
    assert.deepEqual((await tokenFor(`repository:${GUN}:*`, root)).payload.access[0]?.actions, ['*'])
    assert.deepEqual((await tokenFor('registry:catalog:*', root)).payload.access[0]?.actions, ['*'])
    assert.deepEqual((await tokenFor('registry:other:*', root)).payload.access, [])
    const { access } = (await tokenFor('repository:catalog:*', root)).payload
    assert.deepEqual(
      access,
      [{ type: 'repository', name: 'catalog', actions: ['*'] }],
      'a repository may have this name',
    )
    const rita = await tokenFor(`repository:${GUN}:*`, basic('rita', PASSWORD))
    assert.deepEqual(rita.payload.access[0]?.actions, ['pull', 'rotate'])
    assert.equal(await rotate(rita.text), 200, 'a grant of rotate alone is enough to rotate')
  })

  test('users may have the robot names of registries: docker sends its registry login', async () => {
    for (const name of ['robot$ci', 'robot$team+ci', 'team+robot']) {
      await addPerson(server.running, name, [`sign:${GUN}`], PASSWORD)
      const { payload } = await tokenFor(`repository:${GUN}:push,pull`, basic(name, PASSWORD))
      assert.deepEqual(payload.access[0]?.actions, ['push', 'pull'], name)
    }
  })

  test('several scope parameters add up; too many are refused', async () => {
    const scopes = ['a', 'b'].map((name) => `scope=repository:localhost:5000/team/${name}:pull`).join('&')
    const { body } = await get(scopes, basic('alice', PASSWORD))
    const { token } = JSON.parse(body.toString()) as { token: string }
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Payload
    assert.equal(payload.access.length, 2)
    assert.equal((await get(Array.from({ length: 21 }, () => `scope=repository:${GUN}:pull`).join('&'))).status, 400)
  })

  test('without credentials the token allows nothing, and its use is challenged', async () => {
    const { text, payload } = await tokenFor(`repository:${GUN}:pull`)
    assert.deepEqual([payload.sub, payload.access], ['', []])
    const headers = { authorization: `Bearer ${text}` }
    const answer = await exchange(server, { path: tufPath(GUN, 'root.json'), headers })
    assert.equal(answer.status, 401)
    assert.match(String(answer.headers['www-authenticate']), /,error="insufficient_scope"$/)
  })

  test('all wrong credentials get the same answer', async () => {
    const bodies = new Set<string>()
    await addPerson(server.running, 'odd', ['read:*'], `${PASSWORD}\ufffd`)
    for (const authorization of [
      basic('alice', 'wrong'),
      basic('alice', ''),
      basic('nobody', PASSWORD),
      basic('', ''),
      basic('certified', ''),
      basic('certified', PASSWORD),
      basic('alice', 'x'.repeat(2_000)),
      basic('token', 'cs_0123456789abcdef_0123456789012345678901234567890123456789012'),
      basic('__proto__', PASSWORD),
      // As a lax reader has them they would be right.
      basic('alice', PASSWORD).replace(/=+$/, ''),
      `Basic ${Buffer.from(`odd:${PASSWORD}\xff`, 'latin1').toString('base64')}`,
      'Basic !!!',
      'Basic YWxpY2U=',
      'Bearer eyJhbGciOiJub25lIn0.e30.',
    ]) {
      const { status, headers, body } = await get(`scope=repository:${GUN}:pull`, authorization)
      assert.equal(status, 401, authorization)
      assert.equal(headers['www-authenticate'], 'Basic realm="countersign"')
      bodies.add(body.toString())
      // The guesses above do not delay this one.
      server.clock.now += 20 * 60_000
    }
    const message = 'the user name, password or API token is wrong or no longer valid'
    assert.deepEqual([...bodies], [`{"errors":[{"code":"UNAUTHORIZED","message":"${message}"}]}\n`])
  })

  test('wrong passwords delay further logins as that user, even with the right one, but not other users', async () => {
    const ask = async (user: string, password: string): Promise<number> =>
      (await get('scope=', basic(user, password))).status
    server.clock.now += 60 * 60_000
    await makeToken(server.running, 'still', ['read:*'])
    for (let guess = 0; guess < 5; guess += 1) assert.equal(await ask('alice', `guess ${guess}`), 401)
    assert.equal(await ask('alice', PASSWORD), 429)
    const { body } = await get('scope=', basic('alice', PASSWORD))
    assert.equal(messageIn(body), 'too many wrong passwords: wait a minute, then try again')
    assert.equal(await ask('rita', PASSWORD), 200)
    server.clock.now += 2_000
    assert.equal(await ask('alice', PASSWORD), 200)
    for (let guess = 0; guess < 5; guess += 1) assert.equal(await ask('nobody', `guess ${guess}`), 401)
    assert.equal(await ask('nobody', 'guess'), 429, 'an unknown name is treated like a known one')
  })

  test('a token for another service is refused', async () => {
    assert.equal((await get('service=other')).status, 400)
  })

  describe('OAuth 2 requests (POST)', () => {
    const scope = `repository:${GUN}:pull`
    const post = async (
      fields: Record<string, string>,
      type = 'application/x-www-form-urlencoded',
    ): Promise<Answer> => {
      const body = new URLSearchParams(fields).toString()
      return exchange(server, { method: 'POST', path: '/auth/token', headers: { 'content-type': type }, body })
    }
    const asPortieris = (user: string, password: string, service = 'countersign'): Record<string, string> => {
      const client = { grant_type: 'password', client_id: 'portieris-client' }
      return { service, ...client, username: user, password, scope }
    }

    test('Portieris reads a repository with the values of the challenge', async () => {
      const path = tufPath(GUN, 'root.json')
      const { status, headers } = await exchange(server, { path })
      assert.equal(status, 401)
      const [, service, named] = /service="([^"]+)",scope="([^"]+)"$/.exec(String(headers['www-authenticate'])) ?? []
      assert.equal(named, scope)
      const answer = await post(asPortieris('alice', PASSWORD, service))
      assert.equal(answer.status, 200, answer.body.toString())
      assert.equal(answer.headers['cache-control'], 'no-store')
      const given = JSON.parse(answer.body.toString()) as Record<string, unknown>
      assert.deepEqual([given['scope'], given['access_token']], [scope, given['token']])
      // It rejects an answer in which one of these has another type.
      const { token, expires_in: life, issued_at: issued } = given
      assert.deepEqual([typeof token, life], ['string', 120])
      assert.match(String(issued), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/)
      // The repository does not exist; only an authorized client gets a 404.
      const authorization = `Bearer ${String(given['token'])}`
      assert.equal((await exchange(server, { path, headers: { authorization } })).status, 404)
    })

    test('an API token works as the password', async () => {
      const secret = await makeToken(server.running, 'cluster', ['read:localhost:5000/team/*'])
      assert.equal((await post(asPortieris('token', secret))).status, 200)
    })

    test('wrong and missing passwords are refused, and count as wrong ones like those of GET', async () => {
      server.clock.now += 60 * 60_000
      assert.equal((await post({ grant_type: 'password', scope })).status, 401)
      for (let guess = 0; guess < 5; guess += 1) {
        const { status, headers } = await post(asPortieris('rita', `guess ${guess}`))
        assert.deepEqual([status, headers['www-authenticate']], [401, 'Basic realm="countersign"'])
      }
      assert.equal((await get(`scope=${scope}`, basic('rita', PASSWORD))).status, 429)
      server.clock.now += 60 * 60_000
    })

    test('other grant types, other services, malformed forms and long bodies are refused', async () => {
      const asDocker = await post({ ...asPortieris('alice', PASSWORD), grant_type: 'refresh_token' })
      assert.equal(asDocker.status, 400)
      // docker sends this with the token that `docker login` has left.
      assert.match(messageIn(asDocker.body), /log in with a password or an API token, not with an identity token/)
      assert.equal((await post(asPortieris('alice', PASSWORD, 'other'))).status, 400)
      assert.equal((await post(asPortieris('alice', PASSWORD), 'application/json')).status, 400)
      assert.equal((await post(asPortieris('alice', 'x'.repeat(17_000)))).status, 400)
    })
  })

  test('a token expires, and disabling a user or narrowing a grant has effect at once', async () => {
    const { text, payload } = await tokenFor(`repository:${GUN}:*`, basic('root', PASSWORD))
    assert.equal(payload.exp - payload.iat, 120)
    assert.equal(await rotate(text), 200)
    const world = worldOf(server.running)
    const set = async (change: Omit<Parameters<typeof setUser.run>[1], 'name'>): Promise<void> => {
      await setUser.run(world, { name: 'root', ...change }, { name: 'local' })
    }
    await set({ disabled: true })
    assert.equal(await rotate(text), 401)
    await set({ disabled: false, grants: [{ pattern: '*', actions: ['sign'] }] })
    assert.equal(await rotate(text), 401)
    await set({ grants: [{ pattern: '*', actions: ['admin'] }] })
    assert.equal(await rotate(text), 200)
    server.clock.now += 181_000
    assert.equal(await rotate(text), 401)
  })

  test('a new password or a removed user invalidates the token, also for a later user of that name', async () => {
    const world = worldOf(server.running)
    const local = { name: 'local' }
    await addPerson(server.running, 'vera', [`rotate:${GUN}`], PASSWORD)
    const get = async (password: string): Promise<string> =>
      (await tokenFor(`repository:${GUN}:*`, basic('vera', password))).text
    const first = await get(PASSWORD)
    await setUser.run(world, { name: 'vera', grants: [{ pattern: '*', actions: ['rotate'] }] }, local)
    assert.equal(await rotate(first), 200)
    await setPassword.run(world, { name: 'vera', password: 'another password' }, local)
    assert.equal(await rotate(first), 401)
    const second = await get('another password')
    assert.equal(await rotate(second), 200)
    await removeUser.run(world, { name: 'vera' }, local)
    assert.equal(await rotate(second), 401)
    server.clock.now += 1
    // With the same password hash as the first, only the time at which she was added differs.
    await addPerson(server.running, 'vera', [`rotate:${GUN}`], PASSWORD)
    assert.deepEqual([await rotate(first), await rotate(second)], [401, 401])
    assert.equal(await rotate(await get(PASSWORD)), 200)
  })

  test("API tokens work as Bearer and through the endpoint, until revoked or expired, within their owner's grants", async () => {
    const { running } = server
    const world = worldOf(running)
    const text = await makeToken(running, 'deploy', [`rotate:${GUN}`], { owner: 'rita' })
    const through = await tokenFor(`repository:${GUN}:*`, basic('token', text))
    assert.equal(await rotate(text), 200)
    assert.equal(await rotate(through.text), 200)
    assert.equal([...running.store.journal()].at(-1)?.actor.name, 'local')
    await setUser.run(world, { name: 'rita', grants: [] }, { name: 'local' })
    assert.equal(await rotate(text), 401)
    assert.equal(await rotate(through.text), 401)
    await setUser.run(world, { name: 'rita', grants: [{ pattern: '*', actions: ['rotate'] }] }, { name: 'local' })
    assert.equal(await rotate(text), 200)
    await setUser.run(world, { name: 'rita', disabled: true }, { name: 'local' })
    assert.deepEqual([await rotate(text), await rotate(through.text)], [401, 401], 'owned by a disabled user')
    await setUser.run(world, { name: 'rita', disabled: false }, { name: 'local' })
    assert.deepEqual([await rotate(text), await rotate(through.text)], [200, 200])
    const logIn = async (user: string): Promise<number> => (await get('scope=', basic(user, text))).status
    assert.deepEqual([await logIn('deploy'), await logIn('alice'), await logIn('')], [200, 401, 401])
    await revokeToken.run(world, { token: 'deploy' }, { name: 'local' })
    assert.equal(await rotate(text), 401)
    assert.equal(await rotate(through.text), 401)
    const short = await makeToken(running, 'deploy', [`rotate:${GUN}`], { days: 1 })
    assert.equal(await rotate(short), 200)
    for (const wrong of [
      short.slice(0, -1),
      `${short}A`,
      short.toUpperCase(),
      short.replace('cs_', 'cs-'),
      `${short.slice(0, -1)}${short.endsWith('A') ? 'B' : 'A'}`,
      short.replace(/^cs_./, (start) => (start === 'cs_0' ? 'cs_1' : 'cs_0')),
      `cs_${'0'.repeat(16)}_${'A'.repeat(43)}`,
      'cs_',
      'cs__',
      `${short.slice(0, 20)}../${short.slice(23)}`,
    ]) {
      assert.equal(await rotate(wrong), 401, wrong)
    }
    server.clock.now += 86_400_000
    assert.equal(await rotate(short), 401)
    const { body } = await get('scope=', basic('token', short))
    assert.match(messageIn(body), /API token .*no longer valid/)
  })

  test('the journal holds no password, hash or token', () => {
    const text = JSON.stringify([...server.running.store.journal()])
    assert.doesNotMatch(text, /cs_|eyJ|argon2|correct horse/)
  })
})

test('with public reads, a client that only reads needs no password: docker sends that of the registry', async (t) => {
  const server = await startTestServer({
    transport: 'plain',
    settings: { access: { mode: 'built-in', publicReads: true } },
  })
  t.after(() => server.stop())
  await addPerson(server.running, 'alice', ['sign:localhost:5000/team/*'], PASSWORD)
  const ask = async (user: string, scope: string): Promise<Answer> => {
    const path = `/auth/token?service=countersign&scope=${encodeURIComponent(scope)}`
    return exchange(server, { path, headers: { authorization: basic(user, PASSWORD) } })
  }
  const reading = [`repository:${GUN}:pull`, `repository:${GUN}:pull repository:localhost:5000/other:pull`]
  // More often than guesses are allowed.
  for (let pull = 0; pull < 6; pull += 1) {
    for (const scope of reading) {
      const { status, body } = await ask('stranger', scope)
      assert.equal(status, 200)
      const { scope: given } = JSON.parse(body.toString()) as { scope: string }
      assert.equal(given, scope)
    }
  }
  const identityToken = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: 'x',
    scope: reading[0] ?? '',
  })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = identityToken.toString()
  assert.equal((await exchange(server, { method: 'POST', path: '/auth/token', headers, body })).status, 200)
  const more = [`repository:${GUN}:push,pull`, `repository:${GUN}:*`, 'registry:catalog:*', 'repository:..:pull', '']
  for (const scope of more) {
    assert.equal((await ask('stranger', scope)).status, 401, scope)
    assert.equal((await ask('alice', scope)).status, 200, scope)
    server.clock.now += 20 * 60_000
  }
})
