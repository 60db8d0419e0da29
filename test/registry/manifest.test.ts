import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { Credentials } from '../../src/registry/credentials.ts'
import { readManifest } from '../../src/registry/manifest.ts'
import { registryPlace, type RegistryPlace } from '../../src/registry/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { tlsIdentity } from '../support/go-server.ts'
import { alice, BASIC, DIGEST } from '../support/odd-registry.ts'
import { oddServer } from '../support/odd-server.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2}')
const TYPE = { 'Content-Type': 'application/vnd.oci.image.index.v1+json; charset=utf-8' }

/** Starts a registry that answers as given, and records its requests. */
async function registry(
  t: TestContext,
  answer: Parameters<typeof oddServer>[1],
): Promise<{ place: RegistryPlace; asked: IncomingMessage[] }> {
  const { url, asked } = await oddServer(t, answer)
  return { place: registryPlace(parseGun(`${new URL(url).host}/team/app`)), asked }
}

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
      response.end(JSON.stringify(fits ? { token: 'good', access_token: '' } : {}))
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

test('an endless error body is cut off', { timeout: 60_000 }, async (t) => {
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
    hint: `if a private CA issued it: put its certificate where docker expects it, /etc/docker/certs.d/${new URL(url).host}/ca.crt`,
  })
})
