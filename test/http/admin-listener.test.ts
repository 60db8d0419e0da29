import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID, type KeyPairKeyObjectResult } from 'node:crypto'
import { once } from 'node:events'
import { request as requestHere, type IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { setUser } from '../../src/admin/users.ts'
import { PUBLIC_ADMIN_WORDS } from '../../src/settings/schema.ts'
import { recordKey } from '../../src/store/keyspace.ts'
import { issueCertificate, type CertificateWish } from '../support/certificate.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const ABSENT = 'example.org/team/nil'
const PASSWORD = 'correct horse'
const HOUR = 3_600_000

const pair = (): KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** Serializes an answer without the members that differ in every answer. */
function seen({ status, headers: all, body }: Answer, gun: string): string {
  const { date: _, 'x-request-id': __, ...headers } = all
  return JSON.stringify([status, headers, body.toString().replaceAll(gun, 'GUN')])
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

describe('the admin API over TCP', () => {
  let directory: string
  let server: TestServer
  /** An API token with every permission. Checking a password each time would be slow. */
  let root: string
  const ca = pair()
  const wish = (commonName: string, more: Partial<CertificateWish> = {}): { cert: string; key: string } => {
    const key = pair()
    const cert = issueCertificate({
      commonName,
      publicKey: key.publicKey,
      signer: ca.privateKey,
      issuer: 'clients',
      notBefore: Date.now() - HOUR,
      notAfter: Date.now() + HOUR,
      clientAuth: true,
      ...more,
    })
    return { cert, key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-ca-'))
    const caFile = join(directory, 'clients.pem')
    const caPem = issueCertificate({
      commonName: 'clients',
      publicKey: ca.publicKey,
      signer: ca.privateKey,
      notBefore: Date.now() - HOUR,
      notAfter: Date.now() + HOUR,
      ca: true,
    })
    await writeFile(caFile, caPem)
    const users = ['build machine=builder', 'chief=root']
    server = await startTestServer({
      settings: { admin: { listen: { port: 0 } }, access: { mode: 'built-in', clientCertificates: { caFile, users } } },
    })
    await addPerson(server.running, 'builder', ['read,sign:example.org/team/*'])
    await addPerson(server.running, 'root', ['admin:*'], PASSWORD)
    await addPerson(server.running, 'nobody', [], PASSWORD)
    root = `Bearer ${await makeToken(server.running, 'publisher', ['admin:*'])}`
    const endpoint = { url: server.url, ca: server.ca, authorization: root }
    const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(endpoint, GUN) })
    await world.publishFirst(endpoint)
  })
  after(async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })

  function ask(method: string, path: string, authorization?: string, body?: object): Promise<Answer> {
    const headers = authorization === undefined ? {} : { authorization }
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    return exchange(endpoint, { method, path, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  /** Sends a client certificate, on a new connection. */
  async function answerWith(
    port: number | undefined,
    path: string,
    client: object,
    { body, ...more }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<{ status: number; body: string }> {
    const agent = new Agent({ ...client, ca: server.ca, keepAlive: false })
    const sent = request({ hostname: 'localhost', port, path, agent, ...more })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await text(response) }
  }

  async function withCertificate(...asked: Parameters<typeof answerWith>): Promise<number> {
    return (await answerWith(...asked)).status
  }

  const urlOf = (path: string, gun: string): string =>
    `/api/v1${path.replace(':gun', encodeURIComponent(gun)).replaceAll(/:\w+/g, 'x')}`

  test('every operation asks for credentials', async () => {
    const jwt = JSON.parse(
      (
        await exchange(server, {
          path: '/auth/token?scope=registry:catalog:*',
          headers: { authorization: basic('root', PASSWORD) },
        })
      ).body.toString(),
    ) as { token: string }
    for (const { method, path } of [...OPERATIONS, { method: 'GET', path: '/openapi.json' }]) {
      for (const authorization of [
        undefined,
        basic('root', 'wrong password'),
        'Bearer x',
        `Bearer ${jwt.token}`,
        `Bearer cs_${'0'.repeat(16)}_${'A'.repeat(43)}`,
      ]) {
        const answer = await ask(method, urlOf(path, GUN), authorization)
        assert.ok([401, 429].includes(answer.status), `${method} ${path}: ${answer.status}`)
        if (answer.status === 401) assert.equal(answer.headers['www-authenticate'], 'Basic realm="countersign"')
      }
    }
    server.clock.now += HOUR
  })

  test('a caller without permissions is refused and cannot tell what exists', async () => {
    const nobody = `Bearer ${await makeToken(server.running, 'beside', ['admin:example.org/elsewhere/*'])}`
    for (const { name, method, path, action } of OPERATIONS.filter((each) => each.action !== 'own')) {
      const found = await ask(method, urlOf(path, GUN), nobody, method === 'GET' ? undefined : {})
      if (!path.includes(':gun')) {
        assert.equal(found.status, 403, `${name} ${action}`)
        continue
      }
      const absent = await ask(method, urlOf(path, ABSENT), nobody, method === 'GET' ? undefined : {})
      assert.equal(found.status, 404, name)
      assert.equal(seen(found, GUN), seen(absent, ABSENT), name)
    }
  })

  test('permissions are the same as everywhere else', async () => {
    const reader = `Bearer ${await makeToken(server.running, 'reading', ['read:example.org/team/*'])}`
    const show = urlOf('/repositories/:gun', GUN)
    assert.equal((await ask('GET', show, reader)).status, 200)
    assert.equal((await ask('DELETE', `${show}?dryRun=true`, reader)).status, 403)
    assert.equal((await ask('GET', '/api/v1/repositories', reader)).status, 403)
    assert.equal((await ask('GET', '/api/v1/repositories', basic('root', PASSWORD))).status, 200)
    const added = await ask('POST', '/api/v1/users', basic('root', PASSWORD), { name: 'new', grants: [] })
    assert.equal(added.status, 200, added.body.toString())
    const [entry] = [...server.running.store.journal()].slice(-1)
    assert.equal(entry?.actor.name, 'user:root')
    assert.match(String(entry?.actor.address), /127\.0\.0\.1|::1/)
  })

  test('a backup cannot be made over TCP', async () => {
    const { status, body } = await ask('POST', '/api/v1/backup', root, { directory: '/tmp/x' })
    assert.equal(status, 403)
    assert.match(body.toString(), /a backup is made where the server runs: countersign backup/)
  })

  test('audit with a pattern of repositories needs admin on all of them', async () => {
    const audit = async (authorization: string, gun: string): Promise<Answer> =>
      ask('GET', `/api/v1/audit?gun=${encodeURIComponent(gun)}`, authorization)
    for (const pattern of ['*', 'example.org/*', 'example.org/team/*', GUN]) {
      const { status, body } = await audit(root, pattern)
      assert.equal(status, 200, `${pattern}: ${body.toString()}`)
      const { entries } = JSON.parse(body.toString()) as { entries: { gun: string }[] }
      assert.ok(entries.length > 0 && entries.every(({ gun }) => gun === GUN), pattern)
    }
    const chief = `Bearer ${await makeToken(server.running, 'chief', ['admin:example.org/team/*', 'read:*'])}`
    for (const pattern of ['example.org/team/*', 'example.org/team/sub/*', GUN]) {
      assert.equal((await audit(chief, pattern)).status, 200, pattern)
    }
    for (const pattern of ['*', 'example.org/*', 'example.org/team', 'example.org/other/*']) {
      assert.equal((await audit(chief, pattern)).status, 403, pattern)
    }
    assert.equal((await ask('GET', '/api/v1/audit', chief)).status, 403)
    assert.equal((await audit(root, 'example.org/**')).status, 400)
  })

  test('any dryRun but true or false is refused and changes nothing', async () => {
    const before = server.running.store.tail()
    for (const query of ['dryRun=1', 'dryRun', 'dryRun=', 'dryRun=TRUE', 'dryRun=true&dryRun=true', 'dryrun=true']) {
      const { status } = await ask('DELETE', `${urlOf('/repositories/:gun', GUN)}?${query}`, root)
      assert.equal(status, 400, query)
    }
    assert.equal((await ask('DELETE', `${urlOf('/repositories/:gun', GUN)}?dryRun=true`, root)).status, 200)
    assert.deepEqual(server.running.store.tail(), before)
    const made = await ask('POST', '/api/v1/signers?dryRun=false', root, { name: 'real' })
    assert.equal(made.status, 200, made.body.toString())
  })

  test('a parameter given twice is refused if the values differ, wherever they stand', async () => {
    const gun = urlOf('/repositories/:gun', GUN)
    const grants = [{ pattern: '*', actions: ['read'] }]
    await addPerson(server.running, 'twice', [])
    const before = server.running.store.tail()
    for (const [method, path, body, text] of [
      [
        'POST',
        '/api/v1/signers?name=one',
        { name: 'other' },
        /^name has two different values: in the query and in the body$/,
      ],
      ['PUT', '/api/v1/users/twice', { name: 'root', grants }, /^name .*: in the path and in the body$/],
      ['PUT', '/api/v1/users/twice?name=root', { grants }, /^name .*: in the path and in the query$/],
      ['DELETE', `${gun}?gun=${encodeURIComponent(ABSENT)}`, undefined, /^gun .*: in the path and in the query$/],
    ] as const) {
      const answer = await ask(method, path, root, body)
      assert.equal(answer.status, 400, path)
      const { error } = JSON.parse(answer.body.toString()) as { error: { code: string; message: string } }
      assert.equal(error.code, 'INVALID_PARAMETERS')
      assert.match(error.message, text)
    }
    assert.deepEqual(server.running.store.tail(), before)
    const { status, body } = await ask('PUT', '/api/v1/users/twice?name=twice', root, { name: 'twice', grants })
    assert.equal(status, 200, body.toString())
  })

  test('a query parameter without a value is refused and not read as 0', async () => {
    for (const request of [
      'expiry?days=',
      'expiry?days',
      'expiry?days=%20',
      'audit?after=',
      'audit?after=+',
      'audit?actor=',
    ]) {
      const { status, body } = await ask('GET', `/api/v1/${request}`, root)
      assert.equal(status, 400, request)
      const { error } = JSON.parse(body.toString()) as { error: object }
      const name = /\?(\w+)/.exec(request)?.[1]
      assert.deepEqual(error, { code: 'INVALID_PARAMETERS', message: `${name}: has no value; leave it out` })
    }
  })

  test('a query of many members is refused before they are read: that would take seconds', async () => {
    const nobody = `Bearer ${await makeToken(server.running, 'curious', ['read:example.org/elsewhere/*'])}`
    const messages = [1, 100, 101, 3_500].map(async (count) => {
      const { status, body } = await ask('GET', `/api/v1/tokens?${Array(count).fill('a=1').join('&')}`, nobody)
      return [status, (JSON.parse(body.toString()) as { error: { message: string } }).error.message]
    })
    const tooMany = [400, 'the query has more than 100 members']
    const unknown = [400, 'Unrecognized key: "a"']
    assert.deepEqual(await Promise.all(messages), [unknown, unknown, tooMany, tooMany])
  })

  test('users create, list and revoke their own tokens within their own grants; a token creates none', async () => {
    // With a certificate, too: its user owns the token.
    const byCertificate = async (action: string): Promise<{ status: number; body: string }> => {
      const body = JSON.stringify({ name: `c-${randomUUID()}`, grants: [{ pattern: GUN, actions: [action] }] })
      const more = { method: 'POST', headers: { 'content-length': String(body.length) }, body }
      return answerWith(server.running.adminPort, '/api/v1/tokens', wish('build machine'), more)
    }
    assert.equal((JSON.parse((await byCertificate('sign')).body) as { owner: string }).owner, 'builder')
    assert.equal((await byCertificate('delete')).status, 403)
    const root = basic('root', PASSWORD)
    await addPerson(server.running, 'dora', ['sign:example.org/team/*'], PASSWORD)
    const dora = basic('dora', PASSWORD)
    const create = (authorization: string, grant: object, more: object = {}): Promise<Answer> =>
      ask('POST', '/api/v1/tokens', authorization, { name: `t-${randomUUID()}`, grants: [grant], ...more })
    const team = 'example.org/team/*'
    const made = await create(dora, { pattern: GUN, actions: ['read', 'sign'] })
    assert.equal(made.status, 200, made.body.toString())
    const { token, id, name, owner } = JSON.parse(made.body.toString()) as Record<string, string>
    assert.equal(owner, 'dora')
    // The journal and the tag policies know a token by its name, so names are unique.
    assert.equal((await create(root, { pattern: GUN, actions: ['read'] }, { name })).status, 409)
    for (const [pattern, ...actions] of [
      [team, 'delete'],
      [team, 'admin'],
      ['*', 'read'],
      ['example.org/*', 'sign'],
      ['example.org/team', 'read'],
      ['example.org/team/*', 'read', 'rotate'],
    ]) {
      assert.equal((await create(dora, { pattern, actions })).status, 403, `${pattern} ${actions.join()}`)
    }
    const two = [team, '*'].map((pattern) => ({ pattern, actions: ['read'] }))
    assert.equal((await create(dora, {}, { grants: two })).status, 403)
    assert.equal((await create(dora, { pattern: team, actions: ['sign'] }, { owner: 'root' })).status, 403)
    assert.equal((await create(root, { pattern: team, actions: ['rotate'] }, { owner: 'dora' })).status, 403)
    assert.equal((await create(`Bearer ${token}`, { pattern: GUN, actions: ['read'] })).status, 403)
    assert.equal((await ask('GET', '/api/v1/tokens', `Bearer ${token}`)).body.toString(), '[]')
    const listed = JSON.parse((await ask('GET', '/api/v1/tokens', dora)).body.toString()) as object[]
    assert.equal(listed.length, 1)
    assert.doesNotMatch(JSON.stringify(listed), /secret|cs_/)
    assert.equal((await ask('DELETE', '/api/v1/tokens/publisher', dora)).status, 404)
    assert.equal((await ask('DELETE', `/api/v1/tokens/${id}`, dora)).status, 200)
    assert.equal((await ask('GET', urlOf('/repositories/:gun', GUN), `Bearer ${token}`)).status, 401)
    // Its name is free again.
    const again = await create(dora, { pattern: GUN, actions: ['read'] }, { name, owner: 'dora' })
    assert.equal(again.status, 200, again.body.toString())
    // Whose token a damaged record was is not known.
    const lost = (JSON.parse(again.body.toString()) as { id: string }).id
    await spoil({ directory: join(server.directory, 'data') }, recordKey('token', lost))
    const names = async (who: string): Promise<string[]> =>
      (JSON.parse((await ask('GET', '/api/v1/tokens', who)).body.toString()) as { name: string }[]).map(
        (row) => row.name,
      )
    assert.deepEqual([await names(dora), (await names(root)).at(-1)], [[name], lost])
  })

  test('a token named like the id of another is not revoked in its place', async () => {
    await addPerson(server.running, 'trudy', ['read:example.org/team/*'], PASSWORD)
    // Ids are random: over several rounds, some decoy sorts before the token that it is meant to shield.
    for (let round = 0; round < 8; round += 1) {
      const token = await makeToken(server.running, `leaked-${round}`, [`read:${GUN}`])
      const [, id = ''] = token.split('_')
      const decoy = { name: id, grants: [{ pattern: GUN, actions: ['read'] }] }
      assert.equal((await ask('POST', '/api/v1/tokens', basic('trudy', PASSWORD), decoy)).status, 200)
      const { body } = await ask('DELETE', `/api/v1/tokens/${id}`, root)
      assert.equal((JSON.parse(body.toString()) as { id: string }).id, id)
      assert.equal((await ask('GET', urlOf('/repositories/:gun', GUN), `Bearer ${token}`)).status, 401)
    }
  })

  test('a client that sends requests without pause, with many tokens, does not block others', async () => {
    await addPerson(server.running, 'busy', ['read:example.org/team/*'])
    const names = Array.from({ length: 20 }, (_, index) => `busy-${index}`)
    const more = { owner: 'busy' }
    const allow = ['read:example.org/team/*']
    const tokens: string[] = []
    for (const name of names) tokens.push(await makeToken(server.running, name, allow, more))
    let stop = false
    const asking = [...tokens, ...tokens].map(async (token) => {
      while (!stop) await ask('DELETE', '/api/v1/tokens/nothing', `Bearer ${token}`)
    })
    const root = `Bearer ${await makeToken(server.running, 'calm', ['admin:*'])}`
    const statuses: number[] = []
    for (const name of names.slice(0, 5)) {
      statuses.push((await ask('DELETE', `/api/v1/tokens/${name}`, root)).status)
    }
    stop = true
    await Promise.all(asking)
    assert.deepEqual(statuses, [200, 200, 200, 200, 200])
  })

  test('what a body may contain is limited, and permission is checked before the content', async () => {
    const nobody = `Bearer ${await makeToken(server.running, 'mighty', ['read:example.org/elsewhere/*'])}`
    const list = (length: number): string[] => Array.from({ length }, () => 'x')
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`unknown-${index}`, 0]))
    const grants = [{ pattern: '*', actions: list(10_000) }]
    for (const [by, path, body, status, message] of [
      [nobody, '/users', list(3), 403, /may not admin/],
      [nobody, '/tokens', { name: 'x', grants }, 400, /^grants.0.actions: must have at most 5 entries$/],
      [nobody, '/tokens', { name: 'x', grants: list(100_000) }, 400, /at most 262144$/],
      [root, '/users', { name: 'x', grants: list(100_000) }, 400, /^the body has more than/],
      [root, '/users', { name: 'x', grants: [], password: '' }, 400, /^the password is too short/],
      [root, '/users', many, 400, /^the body has more than/],
      [root, '/users', { name: 'x', grants: [{ pattern: '*', actions: ['read'], ...many }] }, 400, /^.{1,2000}…$/],
    ] as const) {
      const answer = await ask('POST', `/api/v1${path}`, by, body)
      const told = (JSON.parse(answer.body.toString()) as { error: { message: string } }).error.message
      assert.equal(answer.status, status, told)
      assert.match(told, message)
    }
  })

  test('a body that is not one JSON object with a Content-Length is refused', async () => {
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    const head = `POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${root}\r\nConnection: close\r\n`
    const object = '{"name":"chunked","grants":[]}'
    const chunk = `${object.length.toString(16)}\r\n${object}\r\n0\r\n\r\n`
    for (const [rest, message] of [
      ...['null', '[]', '1', '"x"'].map((text) => [`Content-Length: ${text.length}\r\n\r\n${text}`, 'a JSON object']),
      [`Transfer-Encoding: chunked\r\n\r\n${chunk}`, 'a Content-Length'],
      // Memory for each of these, however they are nested.
      [`Content-Length: 120000\r\n\r\n${'[{'.repeat(60_000)}`, 'more than 100000 members'],
    ]) {
      const answer = await (await RawConnection.open(endpoint)).ask(`${head}${rest}`)
      assert.match(answer, /^HTTP\/1\.1 400 /, rest?.slice(0, 99))
      assert.match(answer, new RegExp(`the body (must be|needs|has) ${message}`))
    }
    assert.equal(server.running.store.record('user', 'chunked'), undefined)
  })

  test('a body that is not UTF-8 is refused: nobody could type the password it would decode to', async () => {
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    // What a terminal in Latin-1 sends.
    const body = Buffer.from('{"name":"latin","grants":[],"password":"pässwörter"}', 'latin1')
    const answer = await exchange(endpoint, {
      method: 'POST',
      path: '/api/v1/users',
      headers: { authorization: root },
      body,
    })
    assert.equal(answer.status, 400)
    assert.match(answer.body.toString(), /the body is not UTF-8/)
    assert.equal(server.running.store.record('user', 'latin'), undefined)
  })

  test("a page of another site in an admin's browser changes nothing", async () => {
    // A form of another site can send this: the browser adds the remembered password, and Origin.
    const form = async (origin: string): Promise<number> => {
      const headers = { authorization: basic('root', PASSWORD), origin, 'content-type': 'text/plain' }
      const body = JSON.stringify({ name: 'mallory', grants: [{ pattern: '*', actions: ['admin'] }] })
      const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
      return (await exchange(endpoint, { method: 'POST', path: '/api/v1/users', headers, body })).status
    }
    for (const origin of ['https://evil.example', 'null', `https://localhost:${server.running.adminPort}`]) {
      assert.equal(await form(origin), 403, origin)
    }
    assert.equal(server.running.store.record('user', 'mallory'), undefined)
  })

  test('a client certificate stands for the user that the settings name, on both listeners', async () => {
    const builder = wish('build machine')
    const admin = server.running.adminPort
    const show = urlOf('/repositories/:gun', GUN)
    const { port } = server.running
    assert.equal(await withCertificate(admin, show, builder), 200)
    assert.equal(await withCertificate(port, tufPath(GUN, 'root.json'), builder), 200)
    // Requests without credentials are refused before and after: their kept refusal is not sent here.
    for (const path of ['/v2/', tufPath(GUN, 'root.json')]) {
      for (const again of [1, 2, 3]) assert.equal((await exchange(server, { path })).status, 401, `${again}`)
      assert.equal(await withCertificate(port, path, builder), 200)
    }
    assert.equal(await withCertificate(admin, '/api/v1/users', builder), 403)
    assert.equal(await withCertificate(admin, '/api/v1/users', wish('chief')), 200)
    // A browser also adds the certificate to requests of any page.
    const key = tufPath('example.org/team/claimed', 'timestamp.key')
    const page = { method: 'GET', headers: { origin: 'https://evil.example' } }
    assert.equal(await withCertificate(port, key, builder, page), 401)
    assert.equal(await withCertificate(port, key, builder), 200)
    // Whoever sends credentials means those, whatever they are.
    for (const authorization of [basic('root', 'a wrong password'), 'Token x', 'Bearer']) {
      const also = { headers: { authorization } }
      assert.equal(await withCertificate(admin, '/api/v1/openapi.json', builder, also), 401, authorization)
      assert.equal(await withCertificate(port, tufPath(GUN, 'root.json'), builder, also), 401, authorization)
    }
    const stranger = pair()
    const refused: Record<string, object> = {
      'a name that stands for nobody': wish('somebody'),
      "a user's name that is no common name in settings": wish('root'),
      'one that has ended': wish('chief', { notAfter: Date.now() - 1000 }),
      'one that has not begun': wish('chief', { notBefore: Date.now() + HOUR / 2 }),
      'another authority': wish('chief', { signer: stranger.privateKey }),
      'signed by itself': { ...selfSigned('chief') },
    }
    for (const [what, client] of Object.entries(refused)) {
      assert.equal(await withCertificate(admin, show, client), 401, what)
      assert.equal(await withCertificate(port, tufPath(GUN, 'root.json'), client), 401, what)
    }
    const world = worldOf(server.running)
    await setUser.run(world, { name: 'builder', disabled: true }, { name: 'local' })
    assert.equal(await withCertificate(admin, show, builder), 401)
    assert.equal(await withCertificate(port, tufPath(GUN, 'root.json'), builder), 401)
    await setUser.run(world, { name: 'builder', disabled: false }, { name: 'local' })
  })

  test('a token issued for a certificate follows the current state of its user', async () => {
    const scope = `repository:${GUN}:push,pull`
    const path = `/auth/token?scope=${encodeURIComponent(`${scope} registry:catalog:*`)}`
    const { body } = await answerWith(server.running.port, path, wish('build machine'))
    const made = JSON.parse(body) as { token: string; scope: string }
    assert.equal(made.scope, scope)
    const read = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${made.token}` }
      return (await exchange(server, { path: tufPath(GUN, 'root.json'), headers })).status
    }
    assert.equal(await read(), 200)
    const world = worldOf(server.running)
    await setUser.run(world, { name: 'builder', disabled: true }, { name: 'local' })
    assert.equal(await read(), 401)
    await setUser.run(world, { name: 'builder', disabled: false }, { name: 'local' })
    assert.equal(await read(), 200)
  })

  function selfSigned(commonName: string): { cert: string; key: string } {
    const key = pair()
    const cert = issueCertificate({
      commonName,
      publicKey: key.publicKey,
      signer: key.privateKey,
      notBefore: Date.now() - HOUR,
      notAfter: Date.now() + HOUR,
      clientAuth: true,
    })
    return { cert, key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  test('a resumed TLS session does not outlive its certificate', async () => {
    const builder = wish('build machine')
    server.clock.now = Date.now() + 2 * HOUR
    assert.equal(await withCertificate(server.running.adminPort, urlOf('/repositories/:gun', GUN), builder), 401)
    server.clock.now = Date.now()
  })

  test('the admin API is not on the public listener', async () => {
    const authorization = basic('root', PASSWORD)
    const { status, headers } = await exchange(server, { path: '/api/v1/users', headers: { authorization } })
    assert.equal(status, 401)
    assert.match(String(headers['www-authenticate']), /^Bearer /)
  })

  test('the admin listener serves nothing else', async () => {
    for (const path of ['/v2/', tufPath(GUN, 'root.json'), '/metrics', '/auth/token']) {
      assert.equal((await ask('GET', path, root)).status, 404, path)
    }
  })

  test('a malformed body is echoed neither in the log nor in the answer', async () => {
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    const { status, body } = await exchange(endpoint, {
      method: 'POST',
      path: '/api/v1/users',
      headers: { authorization: root },
      body: '{"name":"x","password":"a-secret-that-is-not-closed',
    })
    assert.equal(status, 400)
    assert.doesNotMatch(body.toString(), /a-secret/)
  })

  test('wrong passwords delay their address for any name, except a user who has logged in from there', async () => {
    // Earlier tests guessed, too.
    server.clock.now += HOUR
    const list = async (user: string, password: string): Promise<number> =>
      (await ask('GET', '/api/v1/users', basic(user, password))).status
    assert.equal(await list('root', PASSWORD), 200)
    for (let guess = 0; guess < 5; guess += 1) assert.equal(await list(`guessed-${guess}`, 'guess'), 401)
    assert.equal(await list('guessed', 'guess'), 429)
    assert.equal(await list('root', PASSWORD), 200)
  })
})

test('bodies being received share a limit, and one user cannot use all of it', async (t) => {
  const settings = { admin: { listen: { port: 0 } }, limits: { parkedBytes: 100_000 } }
  const server = await startTestServer({ transport: 'plain', settings })
  t.after(() => server.stop())
  const ca = await readFile(join(server.directory, 'keys', 'tls', 'ca.crt'), 'utf8')
  const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca }
  await addPerson(server.running, 'low', ['read:example.org/low'])
  // Two tokens of one user.
  const ofLow = async (name: string): Promise<string> =>
    `Bearer ${await makeToken(server.running, name, ['read:example.org/low'], { owner: 'low' })}`
  const head = `POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${await ofLow('first')}\r\n`
  const authorization = await ofLow('second')
  const parked = await RawConnection.open(endpoint)
  parked.write(`${head}Content-Length: 200000\r\n\r\n${'a'.repeat(60_000)}`)
  const another = `Bearer ${await makeToken(server.running, 'another', ['read:example.org/low'])}`
  const send = (as = authorization): Promise<Answer> =>
    exchange(endpoint, {
      method: 'POST',
      path: '/api/v1/tokens',
      headers: { authorization: as },
      body: 'a'.repeat(20_000),
    })
  await until('the first to have come in', async () => (await send()).status === 429)
  const answer = await send()
  assert.equal(answer.status, 429)
  assert.equal(answer.headers['retry-after'], '1')
  assert.equal((await send(another)).status, 400)
  // The control socket has no such limit.
  const socketPath = join(server.directory, 'data', 'control.sock')
  const added = requestHere({ socketPath, path: '/api/v1/users', method: 'POST', headers: { 'content-length': 26 } })
  const [local] = (await once(added.end('{"name":"bob","grants":[]}'), 'response')) as [IncomingMessage]
  assert.equal(local.statusCode, 200)
  parked.socket.destroy()
  await until('the room to come back', async () => (await send()).status === 400)
})

test('expiry lists the certificate of the admin listener even if the public one is plain HTTP', async (t) => {
  const server = await startTestServer({ transport: 'plain', settings: { admin: { listen: { port: 0 } } } })
  t.after(() => server.stop())
  const ca = await readFile(join(server.directory, 'keys', 'tls', 'ca.crt'), 'utf8')
  const authorization = `Bearer ${await makeToken(server.running, 'root', ['admin:*'], { days: null })}`
  const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca }
  const { body } = await exchange(endpoint, { path: '/api/v1/expiry', headers: { authorization } })
  const rows = JSON.parse(body.toString()) as { what: string }[]
  assert.deepEqual(
    rows.map(({ what }) => what),
    ['server certificate', 'server CA'],
  )
})

test('the admin API is on the public listener only with the setting that spells it out, whatever thread would answer', async (t) => {
  const server = await startTestServer({
    transport: 'plain',
    threads: 3,
    settings: { admin: { public: PUBLIC_ADMIN_WORDS } },
  })
  t.after(() => server.stop())
  await addPerson(server.running, 'root', ['admin:*'], PASSWORD)
  // Each over a connection of its own.
  const ask = async (authorization?: string): Promise<number> => {
    const headers = { connection: 'close', ...(authorization === undefined ? {} : { authorization }) }
    return (await exchange(server, { path: '/api/v1/users', headers })).status
  }
  assert.equal(await ask(), 401)
  for (let round = 0; round < 12; round += 1) assert.equal(await ask(basic('root', PASSWORD)), 200)
  assert.equal((await exchange(server, { path: '/v2/' })).status, 200)
})

test('behind a proxy, wrong passwords of others delay nobody', async (t) => {
  const server = await startTestServer({ transport: 'plain', settings: { admin: { public: PUBLIC_ADMIN_WORDS } } })
  t.after(() => server.stop())
  await addPerson(server.running, 'root', ['admin:*'], PASSWORD)
  const ask = async (user: string): Promise<number> =>
    (await exchange(server, { path: '/api/v1/users', headers: { authorization: basic(user, PASSWORD) } })).status
  for (let guess = 0; guess < 6; guess += 1) assert.equal(await ask(`nobody-${guess}`), 401)
  assert.equal(await ask('root'), 200)
})
