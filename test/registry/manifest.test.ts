import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { dockerCredentials, type Credentials } from '../../src/registry/credentials.ts'
import { readManifest } from '../../src/registry/manifest.ts'
import { isNameInDocker, registryPlace, type RegistryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { tlsIdentity } from '../support/go-server.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2}')
const TYPE = { 'Content-Type': 'application/vnd.oci.image.index.v1+json; charset=utf-8' }
const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`
const alice = async (): Promise<{ username: string; password: string }> => ({ username: 'alice', password: 'secret' })
const BASIC = `Basic ${Buffer.from('alice:secret').toString('base64')}`

/** Starts a registry that answers as given, and records its requests. */
async function registry(
  t: TestContext,
  answer: (...[request, response]: Parameters<RequestListener>) => unknown,
): Promise<{ place: RegistryPlace; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { place: registryPlace(parseGun(`${host}/team/app`)), asked }
}

test('isNameInDocker accepts the repository names that docker accepts', () => {
  const known = [
    'alpine',
    'docker.io/acme/app',
    'LOCALHOST.example:5000/a/b_c/d__e/f--g/h.i',
    'localhost/a',
    '::1/a',
    'NAS/a',
  ]
  for (const gun of known) assert.ok(isNameInDocker(parseGun(gun)), gun)
  const unknown = [
    'docker.io/acme/app:v1',
    'acme/App',
    'docker.io/a b',
    'docker.io/é',
    'docker.io/-a',
    'a/b_',
    'a/b..c',
  ]
  for (const gun of unknown) assert.ok(!isNameInDocker(parseGun(gun)), gun)
})

test('registryPlace maps a name to docker’s registry URL, repository and account', () => {
  const places = [
    'docker.io/library/alpine',
    'docker.io/alpine',
    'index.docker.io/alpine',
    'acme/app',
    'localhost:5000/a/b',
    'localhost/a',
    'registry.example/x',
    'NAS/x',
  ].map((gun) => {
    const { url, repository, account } = registryPlace(parseGun(gun))
    return [url, repository, account]
  })
  const hub = ['https://registry-1.docker.io', 'https://index.docker.io/v1/']
  assert.deepEqual(places, [
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'library/alpine', hub[1]],
    [hub[0], 'acme/app', hub[1]],
    ['http://localhost:5000', 'a/b', 'localhost:5000'],
    ['http://localhost', 'a', 'localhost'],
    ['https://registry.example', 'x', 'registry.example'],
    ['https://NAS', 'x', 'NAS'],
  ])
})

test('digest and size are those of the bytes, and credentials are read only when needed', async (t) => {
  const { place, asked } = await registry(t, (_request, response) => response.writeHead(200, TYPE).end(MANIFEST))
  const facts = await readManifest(
    place,
    'v1',
    () => assert.fail('asked for credentials'),
    () => 0,
  )
  assert.deepEqual(facts, { digest: DIGEST, size: MANIFEST.length, checkedAt: '1970-01-01T00:00:00.000Z' })
  assert.equal(asked[0]?.url, '/v2/team/app/manifests/v1')
  assert.match(String(asked[0]?.headers.accept), /image\.index/)
})

test('no name reaches another repository or tag', async (t) => {
  const { place, asked } = await registry(t, (_request, response) => response.writeHead(200, TYPE).end(MANIFEST))
  await readManifest({ ...place, repository: 'team/a?b#c/%2e%2e' }, 'v1', alice)
  assert.equal(asked[0]?.url, '/v2/team/a%3Fb%23c/%252e%252e/manifests/v1')
})

test('a name without a valid registry host is refused, without printing a password in it', async () => {
  for (const host of ['::1', 'a b.c', 'localhost:99999', '[::1', 'u:secret@a.example', 'a.example?b', 'a.example#b']) {
    const asking = readManifest(registryPlace(parseGun(`${host}/app`)), 'v1', alice)
    await assert.rejects(asking, (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'INVALID_PARAMETERS', host)
      assert.equal(error.hint, 'give the digest and size of the manifest')
      return !error.message.includes('secret')
    })
  }
})

test('a registry’s sha512 digest is not compared with the bytes', async (t) => {
  const { place } = await registry(t, (_request, response) => {
    response.writeHead(200, { ...TYPE, 'Docker-Content-Digest': `sha512:${'0'.repeat(128)}` }).end(MANIFEST)
  })
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
})

test('credentials are sent with basic auth, or exchanged for a token', async (t) => {
  const basic = await registry(t, (request, response) => {
    if (request.headers.authorization === BASIC) response.writeHead(200, TYPE).end(MANIFEST)
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
  })
  assert.equal((await readManifest(basic.place, 'v1', alice)).digest, DIGEST)
  const bearer = await registry(t, (request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    if (url.pathname === '/token') {
      const fits =
        request.headers.authorization === BASIC && url.searchParams.get('scope') === 'repository:team/app:pull'
      response.end(JSON.stringify(fits ? { token: 'good' } : {}))
    } else if (request.headers.authorization === 'Bearer good') response.writeHead(200, TYPE).end(MANIFEST)
    else {
      const realm = `http://${request.headers.host}/token`
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="reg"` }).end()
    }
  })
  assert.equal((await readManifest(bearer.place, 'v1', alice)).digest, DIGEST)
})

test('an identity token is exchanged as docker does it, and never sent as a password', async (t) => {
  const identity = async (): Promise<Credentials> => ({ username: 'x', password: '', identityToken: 'refresh-secret' })
  const forms: string[] = []
  const bearer = await registry(t, async (request, response) => {
    if (request.url === '/token') {
      forms.push(`${request.method} ${request.headers.authorization} ${await text(request)}`)
      response.end(JSON.stringify({ access_token: 'good' }))
    } else if (request.headers.authorization === 'Bearer good') response.writeHead(200, TYPE).end(MANIFEST)
    else {
      const realm = `http://${request.headers.host}/token`
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="reg"` }).end()
    }
  })
  assert.equal((await readManifest(bearer.place, 'v1', identity)).digest, DIGEST)
  assert.deepEqual(forms, [
    'POST undefined service=reg&scope=repository%3Ateam%2Fapp%3Apull&grant_type=refresh_token' +
      '&refresh_token=refresh-secret&client_id=countersign',
  ])
  const { place, asked } = await registry(t, (_, response) => {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
  })
  await assert.rejects(readManifest(place, 'v1', identity), { code: 'REGISTRY' })
  assert.equal(asked.length, 1)
})

test('of several challenges, in one header or more, one that can be met is used', async (t) => {
  for (const challenges of [
    ['Negotiate', 'Basic realm="x"'],
    'Negotiate, Basic realm=x',
    'Digest realm="a \\"Bearer realm=\\"", qop="auth", BASIC realm="x"',
    ['Basic realm="x"', 'Bearer realm="nonsense"'],
    'Bearer realm = "nonsense", Basic realm="x"',
  ]) {
    const { place } = await registry(t, (request, response) => {
      if (request.headers.authorization === BASIC) response.writeHead(200, TYPE).end(MANIFEST)
      else response.writeHead(401, { 'WWW-Authenticate': challenges }).end()
    })
    assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST, String(challenges))
  }
})

test('parameters of a challenge are found by name, quoted or not', async (t) => {
  const asked: string[] = []
  const { place } = await registry(t, (request, response) => {
    if (request.url?.startsWith('/token?')) {
      asked.push(new URL(request.url, 'http://x').searchParams.get('service') ?? '')
      response.end(JSON.stringify({ token: 'good' }))
    } else if (request.headers.authorization === 'Bearer good') response.writeHead(200, TYPE).end(MANIFEST)
    else {
      const realm = `http://${request.headers.host}/token`
      const said = `Bearer error_description="no service=\\"x\\", realm=\\"y\\"",x-service="z",realm="${realm}"`
      response.writeHead(401, { 'WWW-Authenticate': `${said},service=registry.example` }).end()
    }
  })
  assert.equal((await readManifest(place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(asked, ['registry.example'])
})

test('no credentials follow a redirect of the registry or its token service', async (t) => {
  const elsewhere = await registry(t, (_, response) => response.writeHead(200, TYPE).end(MANIFEST))
  const location = { Location: `${elsewhere.place.url}/v2/team/app/manifests/v1` }
  const direct = await registry(t, (request, response) => {
    if (request.headers.authorization === BASIC) response.writeHead(307, location).end()
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
  })
  const byToken = await registry(t, (request, response) => {
    if (request.url?.startsWith('/token')) response.writeHead(307, location).end()
    else {
      const realm = `http://${request.headers.host}/token`
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
    }
  })
  await assert.rejects(readManifest(byToken.place, 'v1', alice), { message: /returns no token$/ })
  assert.equal((await readManifest(direct.place, 'v1', alice)).digest, DIGEST)
  assert.deepEqual(
    elsewhere.asked.map(({ headers }) => headers.authorization),
    [undefined, undefined],
  )
})

test('every unexpected answer of a registry is an error that says what it was', async (t) => {
  const cases: [name: string, answer: RequestListener, code: string, words: RegExp][] = [
    ['no such tag', (_, response) => response.writeHead(404).end(), 'NOT_FOUND', /has no team\/app:v1/],
    ['broken', (_, response) => response.writeHead(500).end(), 'REGISTRY', /answers 500/],
    [
      'elsewhere',
      (_, response) => response.writeHead(307, { Location: 'http://example.org/' }).end(),
      'REGISTRY',
      /answers 307/,
    ],
    [
      'wrong digest',
      (_, response) =>
        response.writeHead(200, { ...TYPE, 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}` }).end(MANIFEST),
      'REGISTRY',
      /do not match the digest/,
    ],
    [
      'endless',
      (_, response) => response.writeHead(200, TYPE).end(Buffer.alloc(5 * 1024 * 1024)),
      'REGISTRY',
      /more than 4194304 bytes/,
    ],
    [
      'cut off',
      (_, response) =>
        response.writeHead(200, { ...TYPE, 'Content-Length': '99' }).write('x', () => response.destroy()),
      'REGISTRY',
      /ended its answer early/,
    ],
    [
      'a login page',
      (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>'),
      'REGISTRY',
      /sends text\/html, not an image manifest/,
    ],
    ['of no type', (_, response) => response.end(MANIFEST), 'REGISTRY', /not an image manifest or index/],
    [
      'a manifest of the first kind, whose digest is not that of its bytes',
      (_, response) =>
        response
          .writeHead(200, { 'Content-Type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' })
          .end(MANIFEST),
      'REGISTRY',
      /sends application\/\S+\.v1\+prettyjws, not an image manifest/,
    ],
    ['forbidden', (_, response) => response.writeHead(403).end(), 'REGISTRY', /denies access/],
    [
      'a password in the clear, to another machine',
      (_, response) =>
        response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="http://auth.example/token"' }).end(),
      'REGISTRY',
      /token service that cannot be used/,
    ],
    [
      'never enough',
      (_, response) => response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end(),
      'REGISTRY',
      /denies access/,
    ],
    [
      'unknown',
      (_, response) => response.writeHead(401, { 'WWW-Authenticate': 'Negotiate' }).end(),
      'REGISTRY',
      /unsupported kind/,
    ],
    ['no challenge', (_, response) => response.writeHead(401).end(), 'REGISTRY', /unsupported kind/],
    [
      'a file as token service',
      (_, response) => response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="nonsense"' }).end(),
      'REGISTRY',
      /token service/,
    ],
  ]
  for (const [name, answer, code, words] of cases) {
    const { place, asked } = await registry(t, answer)
    await assert.rejects(readManifest(place, 'v1', alice), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, name)
      assert.match(error.message, words, name)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
    if (name === 'elsewhere') assert.equal(asked.length, 1)
  }
  await assert.rejects(readManifest({ url: 'http://127.0.0.1:1', repository: 'a', account: 'a' }, 'v1', alice), {
    code: 'REGISTRY',
  })
})

test('a redirecting registry is reported with the address that it redirects to', async (t) => {
  const { place } = await registry(t, (_, response) => response.writeHead(307, { Location: '//new.example/v2' }).end())
  await assert.rejects(readManifest(place, 'v1', alice), {
    message: `the registry ${place.url} answers 307`,
    hint: 'it redirects to http://new.example/v2, which is not followed: give the digest and size of the manifest',
  })
})

test('a port that fetch refuses is reported as such, not as a fault of the registry', async () => {
  const place = registryPlace(parseGun('localhost:10080/app'))
  await assert.rejects(readManifest(place, 'v1', alice), {
    code: 'REGISTRY',
    hint: /^fetch, like browsers, refuses to use port 10080: /,
  })
})

test('an endless error body is cut off', { timeout: 20_000 }, async (t) => {
  const { place, asked } = await registry(t, (request, response) => {
    const realm = `http://${request.headers.host}/token`
    const tag = request.url?.split('/').at(-1)
    const wants = tag === 'asks' && { 'WWW-Authenticate': `Bearer realm="${realm}"` }
    if (wants !== false) response.writeHead(401, wants).end()
    else response.writeHead(tag === 'broken' ? 500 : 404).write('x')
  })
  for (const tag of ['missing', 'broken', 'asks']) {
    await assert.rejects(readManifest(place, tag, alice), tag)
    const { socket } = asked.at(-1) ?? assert.fail()
    if (!socket.destroyed) await once(socket, 'close')
  }
})

test('docker’s credentials are read from its file and from helpers', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const config = (content: unknown): Promise<void> => writeFile(join(directory, 'config.json'), JSON.stringify(content))
  assert.equal(await dockerCredentials(directory, 'reg'), undefined)
  await config({ auths: { reg: { auth: Buffer.from('bob:with:colon').toString('base64') }, other: {} } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'bob', password: 'with:colon' })
  assert.equal(await dockerCredentials(directory, 'other'), undefined)
  await config({ auths: { 'https://old.example/v1/': { auth: Buffer.from('dan:d').toString('base64') } } })
  assert.deepEqual(await dockerCredentials(directory, 'old.example'), { username: 'dan', password: 'd' })
  assert.equal(await dockerCredentials(directory, 'old.example.org'), undefined)
  await config({ auths: { reg: { auth: Buffer.from('x:').toString('base64'), identitytoken: 'refresh' } } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), {
    username: 'x',
    password: '',
    identityToken: 'refresh',
  })
  const helper = join(directory, 'docker-credential-test')
  await writeFile(
    helper,
    '#!/bin/sh\nread account\n' +
      '[ "$account" = azure ] && echo \'{"Username":"<token>","Secret":"refresh"}\' && exit\n' +
      '[ "$account" = reg ] && echo \'{"Username":"carol","Secret":"s"}\' || { echo credentials not found in native keychain; exit 1; }\n',
  )
  await chmod(helper, 0o755)
  const { PATH } = process.env
  process.env['PATH'] = `${directory}:${PATH ?? ''}`
  t.after(() => {
    process.env['PATH'] = PATH
  })
  await config({ credHelpers: { reg: 'test', unknown: 'test', azure: 'test' } })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'carol', password: 's' })
  assert.equal(await dockerCredentials(directory, 'unknown'), undefined)
  assert.deepEqual(await dockerCredentials(directory, 'azure'), {
    username: '<token>',
    password: '',
    identityToken: 'refresh',
  })
  // A helper for one registry takes precedence over the general one.
  await config({ credHelpers: { reg: 'test' }, credsStore: 'not-installed-anywhere' })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), { username: 'carol', password: 's' })
  await config({ credsStore: 'not-installed-anywhere' })
  const running = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = running()
  await assert.rejects(dockerCredentials(directory, 'reg'), { message: /not-installed-anywhere, which cannot be run$/ })
  assert.equal(running(), before, 'a timer is still running')
  await config({ credsStore: '../evil' })
  await assert.rejects(dockerCredentials(directory, 'reg'), {
    code: 'BAD_SETTINGS',
    message: '"../evil" is not the name of a credential helper',
  })
  await writeFile(join(directory, 'config.json'), '{ "auths": "secret"')
  await assert.rejects(dockerCredentials(directory, 'reg'), (error: Error) => !/secret/.test(error.message))
  // An unreadable file is no missing one: that would tell people to log in again.
  await rm(join(directory, 'config.json'))
  await mkdir(join(directory, 'config.json'))
  await assert.rejects(dockerCredentials(directory, 'reg'), { code: 'BAD_SETTINGS', message: /^cannot read docker's/ })
})

test('docker’s credentials: duplicates, old names and empty values are read as docker reads them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const config = (content: unknown): Promise<void> => writeFile(join(directory, 'config.json'), JSON.stringify(content))
  const auth = (name: string): string => Buffer.from(`${name}:password`).toString('base64')
  const named = (username: string): Credentials => ({ username, password: 'password' })
  await config({ auths: { 'https://reg/v1/': { auth: auth('older') }, reg: { auth: auth('newer') } }, credsStore: '' })
  assert.deepEqual(await dockerCredentials(directory, 'reg'), named('newer'))
  await config({ auths: { 'index.docker.io': { auth: auth('hub'), identitytoken: '' } } })
  const { account } = registryPlace(parseGun('docker.io/library/alpine'))
  assert.deepEqual(await dockerCredentials(directory, account), named('hub'))
})

test('docker’s credentials: entries that other programs write are read as docker reads them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const found = async (content: string): Promise<Credentials | undefined> => {
    await writeFile(join(directory, 'config.json'), content)
    return dockerCredentials(directory, 'reg')
  }
  const ofEntry = (entry: unknown) => found(JSON.stringify({ auths: { reg: entry } }))
  const dave = { username: 'dave', password: 'secret' }
  assert.deepEqual(await ofEntry(dave), dave)
  assert.deepEqual(await ofEntry({ ...dave, auth: null, identitytoken: null }), dave)
  assert.deepEqual(await ofEntry({ auth: Buffer.from('dave:secret\0\0').toString('base64') }), dave)
  assert.deepEqual(await ofEntry({ identitytoken: 'refresh' }), {
    username: '',
    password: '',
    identityToken: 'refresh',
  })
  for (const nothing of ['', '\n', '{}', '{"auths":null,"credsStore":null}', '{"auths":{"reg":null}}']) {
    assert.equal(await found(nothing), undefined, nothing)
  }
  const unreadable = { code: 'BAD_SETTINGS', message: /^cannot read docker's configuration/ }
  for (const wrong of ['null', '[]', '{"auths":{"reg":{"auth":5}}}', '{"credsStore":5}']) {
    await assert.rejects(found(wrong), unreadable, wrong)
  }
})

test('docker’s credentials: those in the environment take precedence, and invalid ones are ignored', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const entry = (name: string): object => ({ auth: Buffer.from(`${name}:password`).toString('base64') })
  const named = (username: string): Credentials => ({ username, password: 'password' })
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({ auths: { reg: entry('kept'), other: entry('other') } }),
  )
  const given = JSON.stringify({ auths: { reg: entry('given') } })
  assert.deepEqual(await dockerCredentials(directory, 'reg', given), named('given'))
  assert.deepEqual(await dockerCredentials(directory, 'other', given), named('other'))
  for (const nothing of [
    '',
    '{',
    'null',
    '{}',
    '{"auths":{"reg":{}}}',
    '{"auths":{"reg":null}}',
    '{"auths":{"reg":5}}',
  ]) {
    assert.deepEqual(await dockerCredentials(directory, 'reg', nothing), named('kept'), nothing)
  }
})

test('a credential helper may have nothing; one that does not answer is an error', { timeout: 10_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
  t.after(() => rm(directory, { recursive: true }))
  const { PATH = '' } = process.env
  process.env['PATH'] = `${directory}:${PATH}`
  t.after(() => {
    process.env['PATH'] = PATH
  })
  const helper = async (script: string): Promise<Credentials | undefined> => {
    await writeFile(join(directory, 'docker-credential-odd'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    await writeFile(join(directory, 'config.json'), '{"credsStore":"odd"}')
    return dockerCredentials(directory, 'reg')
  }
  for (const answer of ['{}', '{"Username":"","Secret":""}', '{"Username":"<token>","Secret":""}', 'null']) {
    assert.equal(await helper(`echo '${answer}'`), undefined, answer)
  }
  assert.equal(await helper('echo credentials not found in native keychain; exit 1'), undefined)
  // A login that has ended, or a keychain that is locked: to log in with docker would not help.
  const fails = "docker's configuration names docker-credential-odd, which fails"
  await assert.rejects(helper('echo the keychain is locked; exit 1'), { message: `${fails}: the keychain is locked` })
  const cutOff = `echo '{"Username":"alice","Secret":"hidden"'; exit 1`
  for (const script of ['exit 3', cutOff, `echo 'warning: old keychain'; ${cutOff}`]) {
    await assert.rejects(helper(script), { code: 'BAD_SETTINGS', message: fails }, script)
  }
  const within = AbortSignal.timeout.bind(AbortSignal)
  t.mock.method(AbortSignal, 'timeout', () => within(200))
  await assert.rejects(helper('exec sleep 60'), {
    code: 'BAD_SETTINGS',
    message: "docker's configuration names docker-credential-odd, which does not answer",
  })
  // A child of the helper keeps its output open.
  await assert.rejects(helper('sleep 5 & echo {}'), { message: /which does not answer$/ })
})

test('TLS mismatches, in either direction, are reported with a hint', async (t) => {
  const { place } = await registry(t, (_, response) => response.writeHead(400).end())
  await assert.rejects(readManifest({ ...place, url: place.url.replace('http:', 'https:') }, 'v1', alice), {
    hint: 'the server there does not speak TLS; check the name, and that it is up',
  })
  // Go's TLS servers answer plain HTTP with 400.
  await assert.rejects(readManifest(place, 'v1', alice), {
    message: `the registry ${place.url} answers 400`,
    hint: 'it may speak TLS, which is not tried on this machine: give the digest and size',
  })
  const server = createTlsServer({}, () => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  // OpenSSL's message without its source lines.
  await assert.rejects(readManifest({ ...place, url }, 'v1', alice), {
    hint: /^ssl\/tls alert [\w ]+; check the name, and that it is up$/,
  })
})

test("an untrusted certificate is reported with a hint of ours, not with Node's options", async (t) => {
  const { certificate: cert, key } = tlsIdentity()
  const server = createTlsServer({ cert, key }, (_, response) => response.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const place = { url, repository: 'team/app', account: 'registry.example' }
  await assert.rejects(readManifest(place, 'v1', alice), {
    code: 'REGISTRY',
    message: `cannot reach ${url}: its certificate is not trusted: unable to verify the first certificate`,
    hint: 'if a private CA issued it: name its file in NODE_EXTRA_CA_CERTS',
  })
})
