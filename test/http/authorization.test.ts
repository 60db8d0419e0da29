import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { revokeToken } from '../../src/admin/tokens.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { exchange, type Answer, type Endpoint } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload } from '../support/upload.ts'

const PASSWORD = 'correct horse'

/** Repositories in pairs: one exists, one does not. All names have the same length, because their answers must, too. */
const GUNS = {
  'example.org/team/app': true,
  'example.org/team/nil': false,
  'example.org/peer/app': true,
  'example.org/peer/nil': false,
} as const
type Name = keyof typeof GUNS

type Wanted = 'read' | 'sign' | 'rotate' | 'delete' | 'catalog' | 'identity'

/** Requests to a repository and the action each needs. None changes the repository. */
const OF_A_REPOSITORY: readonly { method: string; file: string; wanted: Wanted; scope: string }[] = [
  { method: 'GET', file: 'root.json', wanted: 'read', scope: 'pull' },
  { method: 'HEAD', file: 'root.json', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: '1.root.json', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: `targets.${'0'.repeat(64)}.json`, wanted: 'read', scope: 'pull' },
  { method: 'GET', file: 'timestamp.json', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: 'targets/releases.json', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: 'no.such.form', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: '../changefeed?records=1', wanted: 'read', scope: 'pull' },
  { method: 'GET', file: 'timestamp.key', wanted: 'sign', scope: 'push,pull' },
  { method: 'HEAD', file: 'snapshot.key', wanted: 'sign', scope: 'push,pull' },
  { method: 'POST', file: '', wanted: 'sign', scope: 'push,pull' },
  { method: 'POST', file: 'snapshot.key', wanted: 'rotate', scope: '*' },
  { method: 'POST', file: 'root.json', wanted: 'rotate', scope: '*' },
]

const OF_THE_SERVER: readonly { method: string; path: string; wanted: Wanted | 'nothing' }[] = [
  { method: 'GET', path: '/v2/', wanted: 'identity' },
  { method: 'GET', path: '/v2/_trust/changefeed?records=1', wanted: 'catalog' },
  { method: 'GET', path: '/v2/no/such/route', wanted: 'identity' },
  { method: 'PUT', path: '/', wanted: 'identity' },
  { method: 'GET', path: '/api/v1/repositories', wanted: 'identity' },
  { method: 'GET', path: '/metrics', wanted: 'nothing' },
  { method: 'GET', path: '/_notary_server/health', wanted: 'nothing' },
  { method: 'GET', path: '/healthz/ready', wanted: 'nothing' },
  { method: 'GET', path: '/healthz/live', wanted: 'nothing' },
  { method: 'GET', path: '/auth/token', wanted: 'nothing' },
  { method: 'PATCH', path: '/v2/', wanted: 'nothing' },
]

/** Who asks, and what they may do with the team's two repositories, with the others, and with the server. */
interface Person {
  readonly allow: readonly string[]
  readonly team: readonly Wanted[]
  readonly none?: readonly Wanted[]
  readonly other: readonly Wanted[]
  readonly server: readonly Wanted[]
}
const ALL: readonly Wanted[] = ['read', 'sign', 'rotate', 'delete']
const PEOPLE: Readonly<Record<string, Person>> = {
  nobody: { allow: [], team: [], other: [], server: ['identity'] },
  reader: { allow: ['read:example.org/team/*'], team: ['read'], other: [], server: ['identity'] },
  signer: { allow: ['sign:example.org/team/*'], team: ['read', 'sign'], other: [], server: ['identity'] },
  rotator: { allow: ['rotate:example.org/team/*'], team: ['read', 'rotate'], other: [], server: ['identity'] },
  deleter: { allow: ['delete:example.org/team/*'], team: ['read', 'delete'], other: [], server: ['identity'] },
  chief: { allow: ['admin:example.org/team/*'], team: ALL, other: [], server: ['identity'] },
  mixed: {
    allow: ['read:example.org/peer/*', 'sign,rotate:example.org/team/*'],
    team: ['read', 'sign', 'rotate'],
    other: ['read'],
    server: ['identity'],
  },
  beside: {
    allow: ['admin:example.org/tea/*', 'admin:example.org/team', 'admin:xample.org/*'],
    team: [],
    other: [],
    server: ['identity'],
  },
  exact: {
    allow: ['read,sign:example.org/team/app'],
    team: ['read', 'sign'],
    none: [],
    other: [],
    server: ['identity'],
  },
  everywhere: { allow: ['read:*'], team: ['read'], other: ['read'], server: ['identity', 'catalog'] },
  root: { allow: ['admin:*'], team: ALL, other: ALL, server: ['identity', 'catalog'] },
}

const WAYS = ['password', 'API token', 'API token at the endpoint'] as const

function mayDo(person: Person | undefined, gun: Name, publicReads: boolean): readonly Wanted[] {
  const open: readonly Wanted[] = publicReads ? ['read'] : []
  if (person === undefined) return open
  const { team, none = team, other } = person
  return [...open, ...(gun.startsWith('example.org/peer/') ? other : GUNS[gun] ? team : none)]
}

/** Serializes an answer without what differs in every answer. */
function seen({ status, headers: all, body }: Answer, gun: string): string {
  const { date: _, 'x-request-id': __, ...headers } = all
  return JSON.stringify([status, headers, body.toString()]).replaceAll(gun, 'GUN')
}

for (const publicReads of [false, true]) {
  describe(`who × route × repository, publicReads ${publicReads}`, () => {
    let server: TestServer
    const apiTokens = new Map<string, string>()
    const cache = new Map<string, string>()

    before(async () => {
      server = await startTestServer({ transport: 'plain', settings: { access: { mode: 'built-in', publicReads } } })
      for (const [name, { allow }] of Object.entries(PEOPLE)) {
        await addPerson(server.running, name, allow, PASSWORD)
        if (allow.length > 0) apiTokens.set(name, await makeToken(server.running, name, allow, { owner: name }))
      }
      for (const gun of Object.keys(GUNS).filter((name) => GUNS[name as Name])) {
        const signed = authorized(apiTokens.get('root') ?? '')
        const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(signed, gun) })
        await world.publishFirst(signed)
      }
    })
    after(() => server.stop())

    /** An endpoint whose requests all carry the token. */
    function authorized(token: string): Endpoint {
      return { url: server.url, authorization: `Bearer ${token}` }
    }

    /** Passwords are slow on purpose: one token serves all requests made with one. API tokens go with each request. */
    const everything = [...Object.keys(GUNS).map((gun) => `repository:${gun}:*`), 'registry:catalog:*'].join(' ')

    async function credentials(who: string, way: (typeof WAYS)[number], scope: string): Promise<string | undefined> {
      const apiToken = apiTokens.get(who)
      if (way === 'password') return tokenFor(`${who}:${PASSWORD}`, everything)
      return way === 'API token' || apiToken === undefined ? apiToken : tokenFor(`token:${apiToken}`, scope)
    }

    async function tokenFor(pair: string, scope: string): Promise<string> {
      const key = `${pair} ${scope}`
      const known = cache.get(key)
      if (known !== undefined) return known
      const { body } = await exchange(server, {
        path: `/auth/token?scope=${encodeURIComponent(scope)}`,
        headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
      })
      const { token } = JSON.parse(body.toString()) as { token: string }
      cache.set(key, token)
      return token
    }

    function ask(method: string, path: string, token: string | undefined): Promise<Answer> {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return exchange(server, { method, path, headers })
    }

    const pathOf = (gun: string, file: string): string =>
      file.startsWith('../') ? tufPath(gun).replace(/tuf\/$/, file.slice(3)) : tufPath(gun, file)

    async function oneOfARepository(who: string, way: (typeof WAYS)[number] | 'nothing'): Promise<void> {
      const person = PEOPLE[who]
      for (const { method, file, wanted, scope } of OF_A_REPOSITORY) {
        const refusals = new Map<string, string>()
        for (const gun of Object.keys(GUNS) as Name[]) {
          const asked = `repository:${gun}:${scope}`
          const token = way === 'nothing' ? undefined : await credentials(who, way, asked)
          if (token === undefined && way !== 'nothing') return
          const answer = await ask(method, pathOf(gun, file), token)
          const allowed = mayDo(person, gun, publicReads).includes(wanted)
          assert.equal(answer.status !== 401, allowed, `${who} by ${way}: ${method} ${gun} ${file}: ${answer.status}`)
          assert.notEqual(answer.status, 403)
          if (allowed) continue
          const error = way === 'nothing' ? '' : ',error="insufficient_scope"'
          const parameters = `service="countersign",scope="${asked}"${error}`
          assert.equal(answer.headers['www-authenticate'], `Bearer realm="${server.url}/auth/token",${parameters}`)
          refusals.set(gun, seen(answer, gun))
        }
        assert.ok(new Set(refusals.values()).size <= 1, `${who}: ${method} ${file} tells what exists`)
      }
    }

    test('anonymous', async () => {
      await oneOfARepository('anonymous', 'nothing')
      for (const { method, path, wanted } of OF_THE_SERVER) {
        const { status } = await ask(method, path, undefined)
        assert.equal(status === 401, wanted !== 'nothing', `${method} ${path}: ${status}`)
      }
    })

    test('anonymous, with the token that the endpoint issues to anybody', async () => {
      const { body } = await exchange(server, { path: `/auth/token?scope=${encodeURIComponent(everything)}` })
      const { token, scope } = JSON.parse(body.toString()) as { token: string; scope: string }
      assert.equal(
        scope,
        publicReads
          ? Object.keys(GUNS)
              .map((gun) => `repository:${gun}:pull`)
              .join(' ')
          : '',
      )
      for (const { method, file, wanted } of OF_A_REPOSITORY) {
        for (const gun of Object.keys(GUNS)) {
          const { status } = await ask(method, pathOf(gun, file), token)
          assert.equal(status !== 401, publicReads && wanted === 'read', `${method} ${gun} ${file}: ${status}`)
        }
      }
      for (const { method, path, wanted } of OF_THE_SERVER) {
        const { status } = await ask(method, path, token)
        assert.equal(status !== 401, path !== '/auth/token' && wanted === 'nothing', `${method} ${path}: ${status}`)
      }
    })

    for (const [who, person] of Object.entries(PEOPLE)) {
      test(who, async () => {
        for (const way of WAYS) {
          await oneOfARepository(who, way)
          const token = await credentials(who, way, 'registry:catalog:*')
          if (token === undefined) continue
          for (const { method, path, wanted } of OF_THE_SERVER) {
            const { status } = await ask(method, path, token)
            // The endpoint issues no token for a token.
            const allowed = path !== '/auth/token' && (wanted === 'nothing' || person.server.includes(wanted))
            assert.equal(status !== 401, allowed, `${who} by ${way}: ${method} ${path}: ${status}`)
          }
        }
      })
    }

    test('publishing needs sign', async () => {
      const gun = 'example.org/team/app'
      for (const [who, person] of Object.entries(PEOPLE)) {
        const token = await credentials(who, 'password', '')
        const { status } = await upload(authorized(token ?? ''), gun, [{ role: 'targets', bytes: Buffer.from('{}') }])
        assert.equal(status, person.team.includes('sign') ? 400 : 401, who)
      }
    })

    test('deleting needs delete', async () => {
      for (const gun of Object.keys(GUNS) as Name[]) {
        for (const [who, person] of Object.entries(PEOPLE)) {
          for (const way of WAYS) {
            const token = await credentials(who, way, `repository:${gun}:*`)
            if (token === undefined) continue
            const { status } = await ask('DELETE', tufPath(gun), token)
            const allowed = mayDo(person, gun, publicReads).includes('delete')
            assert.equal(status, allowed ? 200 : 401, `${who} by ${way}: ${gun}`)
          }
        }
      }
      assert.equal((await ask('DELETE', tufPath('example.org/team/app'), undefined)).status, 401)
    })

    test('a token allows no more than its scope', async () => {
      const [app, none] = ['example.org/team/app', 'example.org/team/nil']
      const narrow = await tokenFor(`root:${PASSWORD}`, `repository:${app}:pull`)
      assert.equal((await ask('POST', tufPath(app, 'timestamp.key'), narrow)).status, 401)
      assert.equal((await ask('DELETE', tufPath(app), narrow)).status, 401)
      assert.equal((await ask('GET', tufPath(none, 'timestamp.key'), narrow)).status, 401)
      const empty = await tokenFor(`root:${PASSWORD}`, '')
      assert.equal((await ask('GET', tufPath(app, 'root.json'), empty)).status, publicReads ? 404 : 401)
      assert.equal((await ask('GET', '/v2/_trust/changefeed?records=1', empty)).status, 401)
    })

    test('shared caches may keep only answers that everybody may read', async () => {
      const gun = 'example.org/team/cached'
      const signed = authorized(apiTokens.get('root') ?? '')
      const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(signed, gun) })
      await world.publishFirst(signed)
      const { headers } = await ask('GET', tufPath(gun, 'root.json'), apiTokens.get('root'))
      assert.match(String(headers['cache-control']), publicReads ? /^public, .*s-maxage/ : /^private, (?!.*s-maxage)/)
      // A request without credentials gets none of it from a cache of the server's own.
      assert.equal((await ask('GET', tufPath(gun, 'root.json'), undefined)).status, publicReads ? 200 : 401)
    })
  })
}

test('the tables above name every route and method', () => {
  const asked = [
    ...OF_A_REPOSITORY.map(({ method, file }) => [
      method,
      file.startsWith('../') ? 'changefeed' : file === '' ? '' : 'file',
    ]),
    ['DELETE', ''],
  ].map((pair) => pair.join(' '))
  for (const { method, path } of ROUTES.filter((route) => route.path.includes('*gun'))) {
    const kind = path.endsWith('changefeed') ? 'changefeed' : path.endsWith('*file') ? 'file' : ''
    assert.ok(asked.includes(`${method} ${kind}`), `${method} ${path}`)
  }
  const paths = OF_THE_SERVER.map(({ path }) => path.split('?')[0])
  for (const { path } of ROUTES.filter((route) => !route.path.includes('*gun'))) assert.ok(paths.includes(path), path)
})

test('a repository outside the prefixes is refused before credentials are checked', async (t) => {
  const server = await startTestServer({
    transport: 'plain',
    settings: { gunPrefixes: ['example.org/'], access: { mode: 'built-in' } },
  })
  t.after(() => server.stop())
  assert.equal((await exchange(server, { path: tufPath('other.org/app', 'root.json') })).status, 404)
  assert.equal((await exchange(server, { method: 'POST', path: tufPath('other.org/app'), body: '' })).status, 400)
  assert.equal((await exchange(server, { path: tufPath('example.org/app', 'root.json') })).status, 401)
})

test('nobody publishes after the commit that took their permission away', async (t) => {
  const server = await startTestServer({ transport: 'plain', settings: { access: { mode: 'built-in' } } })
  t.after(() => server.stop())
  const gun = 'example.org/app'
  const { trust, store } = server.running
  await addPerson(server.running, 'alice', ['admin:*'])
  const signed = { url: server.url, authorization: `Bearer ${await makeToken(server.running, 'ci', ['admin:*'])}` }
  const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(signed, gun) })
  await world.publishFirst(signed)
  /** Changes who may do what when a publish has been permitted, and before it is written. */
  const during = async (change: () => Promise<void>): Promise<number> => {
    const commit = store.commit.bind(store)
    store.commit = async (each) => {
      if (each.kind === 'publish') {
        store.commit = commit
        await change()
      }
      return commit(each)
    }
    world.addTarget(`v${trust.store.tail().number}`)
    return (await upload(signed, gun, world.nextParts('targets'))).status
  }
  // A change that takes nothing away from the publisher does not get in their way.
  assert.equal(await during(() => addPerson(server.running, 'bob', [])), 200)
  const before = await server.stateHash(gun)
  const revoke = async (): Promise<void> =>
    void (await revokeToken.run(worldOf(server.running), { token: 'ci' }, { name: 'local' }))
  assert.equal(await during(revoke), 401)
  assert.equal(await server.stateHash(gun), before)
})

test('names with quotes and non-ASCII letters cannot break the challenge', async (t) => {
  const server = await startTestServer({ transport: 'plain', settings: { access: { mode: 'built-in' } } })
  t.after(() => server.stop())
  const gun = 'example.org/a"b/ü/日'
  const { status, headers, body } = await exchange(server, { path: tufPath(gun, 'root.json') })
  assert.equal(status, 401)
  const scope = String.raw`scope="repository:example.org/a\"b/%C3%BC/%E6%97%A5:pull"`
  assert.ok(headers['www-authenticate']?.endsWith(`,${scope}`), headers['www-authenticate'])
  assert.match(body.toString(), /"Action":"pull"/)
  const long = await exchange(server, { method: 'POST', path: tufPath('&'.repeat(255)), body: '' })
  assert.equal(long.status, 401)
  assert.ok(long.body.length <= 1024)
})
