import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { authorization } from '../../src/registry/authorize.ts'
import { challengesOf } from '../../src/registry/challenge.ts'
import type { Credentials } from '../../src/registry/credentials.ts'
import { notaryServer } from '../../src/registry/notary-server.ts'
import { trustAuthority } from '../../src/registry/trust-authority.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { freePort } from '../support/free-port.ts'
import { tlsIdentity } from '../support/go-server.ts'
import { oddServer } from '../support/odd-server.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

const GUN = parseGun('source.example/team/app')
const TUF = '/v2/source.example/team/app/_trust/tuf'
const alice = async (): Promise<Credentials> => ({ username: 'alice', password: 'secret' })
const nobody = async (): Promise<undefined> => undefined
const unasked = (): never => assert.fail('asked for credentials')
const BASIC = `Basic ${Buffer.from('alice:secret').toString('base64')}`
const SHA256 = 'ab'.repeat(32)

test('documents are requested by the paths that clients use, and a 404 is undefined', async (t) => {
  const { url, asked } = await oddServer(t, (request, response) => {
    if (request.url?.endsWith('/targets.json') === true) response.writeHead(404).end('{"errors":[]}')
    else response.end('bytes \u00e9\n')
  })
  const source = notaryServer(url, GUN, { credentials: unasked })
  assert.equal(source.name, url)
  assert.deepEqual(await source.document('root'), Buffer.from('bytes \u00e9\n'))
  await source.document('targets/team/alice', { sha256: SHA256 })
  await source.document('root', { version: 12 })
  assert.equal(await source.document('targets'), undefined)
  const odd = parseGun('localhost:5000/a b/\u00fc?x=1#y/%2e%2e/a+b&c')
  await notaryServer(`${url}/below/it//`, odd, { credentials: unasked }).document('root')
  assert.deepEqual(
    asked.map((request) => request.url),
    [
      `${TUF}/root.json`,
      `${TUF}/targets/team/alice.${SHA256}.json`,
      `${TUF}/12.root.json`,
      `${TUF}/targets.json`,
      '/below/it/v2/localhost:5000/a%20b/%C3%BC%3Fx=1%23y/%252e%252e/a+b&c/_trust/tuf/root.json',
    ],
  )
  assert.ok(asked.every(({ headers }) => headers.authorization === undefined))
})

test('a password is sent only after a challenge, and with every request from then on', async (t) => {
  const { url, asked } = await oddServer(t, (request, response) => {
    if (request.headers.authorization === BASIC) response.end('good')
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
  })
  const source = notaryServer(url, GUN, { credentials: alice })
  assert.equal(String(await source.document('root')), 'good')
  assert.equal(String(await source.document('timestamp')), 'good')
  assert.deepEqual(
    asked.map(({ headers }) => headers.authorization),
    [undefined, BASIC, BASIC],
  )
})

test('a token is kept for all requests until the server asks for another', async (t) => {
  let made = 0
  let good = ''
  const scopes: (string | null)[] = []
  const { url, asked } = await oddServer(t, (request, response) => {
    const place = new URL(request.url ?? '', 'http://x')
    if (place.pathname === '/token') {
      assert.equal(request.headers.authorization, BASIC)
      scopes.push(place.searchParams.get('scope'))
      made += 1
      good = `Bearer token-${made}`
      response.end(JSON.stringify({ token: `token-${made}` }))
    } else if (request.headers.authorization === good) response.end('good')
    else challenge(request, response)
  })
  const source = notaryServer(url, GUN, { credentials: alice })
  for (const role of ['timestamp', 'snapshot', 'root'] as const)
    assert.equal(String(await source.document(role)), 'good')
  assert.equal(made, 1)
  assert.equal(asked.length, 5)
  good = 'Bearer one that was not given yet'
  assert.equal(String(await source.document('targets')), 'good')
  assert.equal(made, 2)
  assert.deepEqual(scopes, ['repository:source.example/team/app:pull', 'repository:source.example/team/app:pull'])
})

test('the scope of a challenge is requested only if it is read-only', async (t) => {
  const cases = [
    ['repository:mirror/app:pull', 'repository:mirror/app:pull'],
    ['repository:victim/app:pull,push', 'repository:source.example/team/app:pull'],
    ['repository:a:push repository:b:pull', 'repository:source.example/team/app:pull'],
    ['registry:catalog:*', 'repository:source.example/team/app:pull'],
  ]
  for (const [named = '', wanted = ''] of cases) {
    const scopes: (string | null)[] = []
    const { url } = await oddServer(t, (request, response) => {
      if (request.url?.startsWith('/token') === true) {
        assert.equal(request.headers.authorization, undefined)
        scopes.push(new URL(request.url, 'http://x').searchParams.get('scope'))
        response.end('{"token":"anonymous"}')
      } else if (request.headers.authorization === 'Bearer anonymous') response.end('good')
      else challenge(request, response, `,scope="${named}"`)
    })
    await notaryServer(url, GUN, { credentials: nobody }).document('root')
    assert.deepEqual(scopes, [wanted])
  }
})

test('a local server that speaks TLS, asked without, is reported with a hint', async (t) => {
  // Go's TLS servers answer plain HTTP with 400.
  const { url } = await oddServer(t, (_, response) => response.writeHead(400).end())
  await assert.rejects(notaryServer(url, GUN, { credentials: unasked }).document('timestamp'), {
    message: `${url} answers 400`,
    hint: 'it may speak TLS: name it with https://',
  })
})

test('every unexpected answer of a server is an error that says what it was, without the password', async (t) => {
  const elsewhere = await oddServer(t, (_, response) => response.end('stolen'))
  const cases: [name: string, answer: RequestListener, words: RegExp][] = [
    ['broken', (_, response) => response.writeHead(500).end(), /^http:\S+ answers 500$/],
    ['created', (_, response) => response.writeHead(201).end('x'), /answers 201$/],
    [
      'elsewhere',
      (request, response) => {
        if (request.headers.authorization === undefined) challengeBasic(response)
        else response.writeHead(307, { Location: `${elsewhere.url}/root.json` }).end()
      },
      /answers 307$/,
    ],
    ['never enough', (_, response) => challengeBasic(response), /denies access$/],
    ['forbidden', (_, response) => response.writeHead(403).end(), /denies access$/],
    ['unknown', (_, response) => response.writeHead(401).end(), /unsupported kind of credentials$/],
    [
      'a token service in the clear on another machine',
      (_, response) =>
        response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="http://auth.example/token"' }).end(),
      /token service that cannot be used$/,
    ],
    ['a token of two lines', (...exchange) => answerToken(...exchange, '{"token":"one\\ntwo"}'), /returns no token$/],
    [
      'an endless token',
      (...exchange) => answerToken(...exchange, Buffer.alloc(256 * 1024 + 1)),
      /sends more than 262144 bytes$/,
    ],
    ['endless', (_, response) => response.end(Buffer.alloc(1024 * 1024 + 1)), /sends more than 1048576 bytes$/],
    [
      'cut off',
      (_, response) => response.writeHead(200, { 'Content-Length': '99' }).write('x', () => response.destroy()),
      /ended its answer early$/,
    ],
  ]
  for (const [name, answer, words] of cases) {
    const { url, asked } = await oddServer(t, answer)
    const reading = notaryServer(url, GUN, { account: 'docker', credentials: alice }).document('timestamp')
    await assert.rejects(reading, (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'REGISTRY', name)
      assert.match(error.message, words, name)
      assert.doesNotMatch(error.message + (error.hint ?? ''), /secret/)
      return true
    })
    assert.ok(asked.length <= 2, name)
  }
  assert.deepEqual(elsewhere.asked, [])
  const ended = await oddServer(t, (_, response) => response.writeHead(500).end())
  const source = notaryServer(ended.url, GUN, { credentials: alice })
  await assert.rejects(source.document('timestamp'), {
    hint: /^a Notary server does so if, .* the snapshot has expired/,
  })
  await assert.rejects(source.document('targets'), { hint: undefined })
  const limit = await oddServer(t, (_, response) => response.end(Buffer.alloc(1024 * 1024 + 1)))
  const larger = await notaryServer(limit.url, GUN, { credentials: alice }).document('targets')
  assert.equal(larger?.length, 1024 * 1024 + 1)
  const port = await freePort()
  await assert.rejects(notaryServer(`http://127.0.0.1:${port}`, GUN, { credentials: alice }).document('root'), {
    message: `cannot reach http://127.0.0.1:${port}`,
    hint: `connect ECONNREFUSED 127.0.0.1:${port}; check the name, and that it is up`,
  })
})

test('a redirect to another server is an error that names it', async (t) => {
  const { url } = await oddServer(t, ({ url: path = '' }, response) => {
    const where = path.endsWith('root.json') ? `https://u:secret@new.example${path}?x=1` : '/elsewhere'
    response.writeHead(301, { Location: where }).end()
  })
  const source = notaryServer(url, GUN, { credentials: alice })
  const not = 'which is not followed: name that server, if it is the right one'
  const message = `${url} answers 301`
  await assert.rejects(source.document('root'), {
    message,
    hint: `it redirects to https://new.example/v2/${GUN}/_trust/tuf/root.json, ${not}`,
  })
  await assert.rejects(source.document('timestamp'), { message, hint: `it redirects to ${url}/elsewhere, ${not}` })
  const silent = await oddServer(t, (_, response) => response.writeHead(302).end())
  await assert.rejects(notaryServer(silent.url, GUN, { credentials: alice }).document('root'), { hint: undefined })
})

test('a challenge may have any case and no service; an empty token counts as none, as in docker', async (t) => {
  const { url, asked } = await oddServer(t, (request, response) => {
    if (request.url?.startsWith('/token') === true) response.end('{"token":"","access_token":"good"}')
    else if (request.headers.authorization === 'Bearer good') response.end('good')
    else response.writeHead(401, { 'WWW-Authenticate': `BEARER Realm="http://${request.headers.host}/token"` }).end()
  })
  assert.equal(String(await notaryServer(url, GUN, { credentials: nobody }).document('root')), 'good')
  assert.equal(asked[1]?.url, `/token?scope=${encodeURIComponent(`repository:${GUN}:pull`)}`)
  const basic = await oddServer(t, ({ headers }, response) => {
    if (headers.authorization === BASIC) response.end('good')
    else response.writeHead(401, { 'WWW-Authenticate': 'basic realm="x"' }).end()
  })
  assert.equal(String(await notaryServer(basic.url, GUN, { credentials: alice }).document('root')), 'good')
})

test('a refusal of the token service is reported with a hint to log in', async (t) => {
  const { url } = await oddServer(t, (request, response) => {
    if (request.url?.startsWith('/token') === true) response.writeHead(401).end('{"token":"good"}')
    else challenge(request, response)
  })
  await assert.rejects(notaryServer(url, GUN, { account: 'registry', credentials: alice }).document('root'), {
    code: 'REGISTRY',
    message: `${url} returns no token: 401`,
    hint: 'docker login registry',
  })
})

test('a login that is refused three times in a row is not sent again, lest the account be locked', async (t) => {
  let good = false
  let tokens = 0
  const { url } = await oddServer(t, (request, response) => {
    if (request.headers.authorization === 'Bearer good') return response.end('good')
    if (request.url?.startsWith('/token') !== true) return challenge(request, response)
    tokens += 1
    return response.writeHead(good ? 200 : 401).end('{"token":"good"}')
  })
  const ask = (credentials: () => Promise<Credentials | undefined> = alice): Promise<unknown> =>
    notaryServer(url, GUN, { credentials }).document('root')
  const message = `${url} returns no token: 401`
  for (const _ of [1, 2]) await assert.rejects(ask(), { message })
  // A service may refuse some repositories only.
  good = true
  await ask()
  good = false
  for (const _ of [1, 2, 3]) await assert.rejects(ask(), { message })
  const asked = tokens
  await assert.rejects(ask(), { message: /is not asked again.* refused this login$/, hint: /^docker login / })
  assert.equal(tokens, asked)
  await assert.rejects(
    ask(async () => ({ username: 'alice', password: 'other' })),
    { message },
  )
  // A stranger has no account to be locked: to be refused some repositories says nothing about the others.
  const half = async (): Promise<Credentials> => ({ username: 'alice', password: '' })
  for (const stranger of [nobody, half]) for (const _ of [1, 2, 3, 4]) await assert.rejects(ask(stranger), { message })
})

test('an answer that never comes, or never ends, is given up after 30 seconds', { timeout: 60_000 }, async (t) => {
  const { url } = await oddServer(t, ({ url: path = '' }, response) => {
    if (path.endsWith('/root.json')) response.writeHead(200).write('{')
    else end()
  })
  // The 30 seconds are over when the test says so: the request has arrived, or the client has the head of the answer.
  let limit = new AbortController()
  const end = (): void => limit.abort(new DOMException('', 'TimeoutError'))
  const patience = t.mock.method(AbortSignal, 'timeout', () => (limit = new AbortController()).signal)
  const source = notaryServer(url, GUN, { credentials: unasked })
  await assert.rejects(source.document('timestamp'), {
    code: 'REGISTRY',
    message: `cannot reach ${url}`,
    hint: 'no answer in 30 seconds; check the name, and that it is up',
  })
  const answered = (): unknown => setImmediate(end)
  subscribe('undici:request:headers', answered)
  t.after(() => unsubscribe('undici:request:headers', answered))
  await assert.rejects(source.document('root'), {
    code: 'REGISTRY',
    message: `${url} takes more than 30 seconds for one answer`,
  })
  assert.deepEqual(
    patience.mock.calls.map((call) => call.arguments),
    [[30_000], [30_000]],
  )
})

test('a remote server may not name a token service on this machine without TLS', async (t) => {
  const { url, asked } = await oddServer(t, (_, response) => response.end('{"token":"good"}'))
  const server = { url: 'https://notary.example', name: 'notary', account: 'notary' }
  const headers = { 'WWW-Authenticate': `Bearer realm="${url}/token"` }
  const challenges = challengesOf(new Response(null, { status: 401, headers }))
  const asking = authorization(challenges, server, 'repository:a/b:pull', await alice())
  await assert.rejects(asking, {
    code: 'REGISTRY',
    message: 'notary names a token service that cannot be used',
    hint: `credentials are sent only over https://, not to ${url}`,
  })
  assert.deepEqual(asked, [])
})

test('only server URLs are accepted, and plain HTTP only to this machine', () => {
  const cases: [url: string, words: RegExp][] = [
    ['notary.docker.io', /cannot be read/],
    ['localhost:4443', /must begin with https:/],
    ['http://notary.example', /must begin with https:/],
    ['http://127.0.0.1.example', /must begin with https:/],
    ['ftp://localhost', /must begin with https:/],
    ['https://bob:hidden@notary.example', /must not contain a user name or password/],
    ['https://hidden@notary.example', /must not contain a user name or password/],
    ['https://notary.example/?x=hidden', /must not contain \? or #/],
    ['https://notary.example/#hidden', /must not contain \? or #/],
  ]
  for (const [url, words] of cases) {
    assert.throws(
      () => notaryServer(url, GUN, { credentials: alice }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'INVALID_PARAMETERS', url)
        assert.match(error.message, words, url)
        assert.doesNotMatch(error.message, /hidden/)
        return true
      },
    )
  }
  assert.equal(notaryServer('https://notary.example/', GUN, { credentials: alice }).name, 'https://notary.example')
})

test('a private authority is refused until it is trusted, and then only for its names', async (t) => {
  const server = await startTestServer()
  t.after(() => server.stop())
  const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(server, GUN) })
  await world.publishFirst(server)
  const source = notaryServer(server.url, GUN, { credentials: unasked })
  const refusal = /^cannot reach https:\S+: its certificate is not trusted: .*(?:certificate|issuer)/
  await assert.rejects(source.document('root'), { code: 'REGISTRY', message: refusal, hint: /--tlscacert FILE/ })

  // Its authority will be trusted below, but it has other names.
  const { certificate: cert, key, ca } = tlsIdentity()
  const other = createServer({ cert, key }, (_, response) => response.end()).listen(0, '127.0.0.2')
  await once(other, 'listening')
  t.after(() => other.close())

  const { port } = other.address() as AddressInfo
  const elsewhere = notaryServer(`https://127.0.0.2:${port}`, GUN, { credentials: unasked })
  // The message must not suggest Node's options, which cannot be given here.
  await assert.rejects(elsewhere.document('root'), { message: /not trusted: unable to verify the first certificate$/ })

  const trusted = authorities()
  trustAuthority(`# two of them\n${server.ca}\n${ca}`)
  assert.equal(trusted.difference(authorities()).size, 0)
  assert.deepEqual(await source.document('root'), world.files.get('root'))
  await assert.rejects(elsewhere.document('root'), {
    message: /its certificate is not trusted: Hostname\/IP does not match/,
  })
})

test('NODE_EXTRA_CA_CERTS also makes an authority trusted', async (t) => {
  const server = await startTestServer()
  t.after(() => server.stop())
  const program = `
    import { notaryServer } from ${JSON.stringify(join(import.meta.dirname, '../../src/registry/notary-server.ts'))}
    const source = notaryServer(process.argv[1], 'a/b', { credentials: async () => undefined })
    console.log(await source.document('root').catch((error) => error.message))`
  const ask = (extra: NodeJS.ProcessEnv): Promise<{ stdout: string }> =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, server.url], {
      env: { ...process.env, ...extra },
    })
  assert.match((await ask({})).stdout, /not trusted/)
  const file = join(server.directory, 'keys', 'tls', 'ca.crt')
  assert.equal((await ask({ NODE_EXTRA_CA_CERTS: file })).stdout, 'undefined\n')
})

test('trustAuthority refuses text without valid certificates and changes nothing', () => {
  const before = tls.getCACertificates('default')
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  for (const text of ['', 'no certificate', broken, `${tlsIdentity().ca}${broken}`]) {
    assert.throws(() => trustAuthority(text), { code: 'BAD_TLS' })
  }
  assert.deepEqual(tls.getCACertificates('default'), before)
})

/** Returns fingerprints, since Node writes a certificate with or without a final line end. */
function authorities(): Set<string> {
  return new Set(tls.getCACertificates('default').map((pem) => new X509Certificate(pem).fingerprint256))
}

function challenge(request: IncomingMessage, response: ServerResponse, more = ''): void {
  const realm = `http://${request.headers.host}/token`
  response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="notary"${more}` }).end()
}

function challengeBasic(response: ServerResponse): void {
  response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
}

function answerToken(request: IncomingMessage, response: ServerResponse, token: string | Buffer): void {
  if (request.url?.startsWith('/token') === true) response.end(token)
  else challenge(request, response)
}
