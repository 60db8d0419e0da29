import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { goodClaims, goodToken, hostileTokens, type Claims } from '../access/hostile-tokens.ts'
import { ALGORITHMS, forge, keySetOf, makeServiceKeys, type ServiceKeys } from '../access/token-forge.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const NOW = Date.parse('2026-11-24T12:00:00Z')
const REALM = 'https://auth.example/token'

/** All that a client sees, except what differs in every answer. */
function seen({ status, headers: all, body }: Answer): object {
  const { date: _, 'x-request-id': __, ...headers } = all
  return { status, headers, body: body.toString() }
}

describe('tokens of an external token service', () => {
  let directory: string
  let server: TestServer
  /** Why requests were refused, as logged. */
  const reasons: unknown[] = []
  const keys: ServiceKeys = makeServiceKeys()
  const claims: Claims = goodClaims(GUN, NOW)

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-jwks-'))
    const jwksFile = join(directory, 'jwks.json')
    await writeFile(jwksFile, JSON.stringify(keySetOf({ ...keys })))
    const access = { mode: 'external', realm: REALM, issuer: claims.iss, service: claims.aud, jwksFile } as const
    const note = (facts: object): void => void ('refused' in facts && reasons.push(facts.refused))
    const log = { info: note, warn: note, error: note }
    server = await startTestServer({ now: NOW, transport: 'plain', log, settings: { access } })
  })
  after(async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })

  /** A request that needs a valid token. It makes a key, and so a commit: a wrongly accepted token would be seen. */
  const rotate = (authorization: string | undefined): Promise<Answer> =>
    exchange(server, {
      method: 'POST',
      path: tufPath(GUN, 'timestamp.key'),
      ...(authorization === undefined ? {} : { headers: { authorization } }),
    })

  test('a valid token is accepted, for each kind of key', async () => {
    for (const kid of Object.keys(ALGORITHMS) as (keyof ServiceKeys)[]) {
      assert.equal((await rotate(`Bearer ${goodToken(keys, kid, claims)}`)).status, 200, kid)
    }
    for (const scheme of ['bearer', 'BEARER']) {
      assert.equal((await rotate(`${scheme} ${goodToken(keys, 'p256', claims)}`)).status, 200, scheme)
    }
    for (const alg of ['RS384', 'RS512']) {
      const token = forge(JSON.stringify({ alg, kid: 'rsa' }), JSON.stringify(claims), alg, keys.rsa.privateKey)
      assert.equal((await rotate(`Bearer ${token}`)).status, 200, alg)
    }
  })

  test('clocks may differ by 60 seconds; aud may be a list; optional claims may be missing', async () => {
    const seconds = NOW / 1000
    const fine: Record<string, unknown>[] = [
      { exp: seconds - 60 },
      { aud: ['notary'] },
      { aud: ['other', 'notary'] },
      { nbf: seconds + 60 },
      { iat: seconds + 60 },
      { nbf: undefined },
      { iat: undefined },
      { sub: undefined },
      // Portus has it for nobody.
      { sub: null },
      { jti: 'anything', scope: 'anything', realm_access: { roles: ['x'] } },
    ]
    for (const change of fine) {
      const token = goodToken(keys, 'p256', { ...claims, ...change })
      assert.equal((await rotate(`Bearer ${token}`)).status, 200, JSON.stringify(change))
    }
    // Go writes an empty list like this.
    for (const access of [null, [{ type: 'repository', name: GUN, actions: null }]]) {
      const { headers } = await rotate(`Bearer ${goodToken(keys, 'p256', { ...claims, access })}`)
      assert.match(String(headers['www-authenticate']), /,error="insufficient_scope"$/)
    }
  })

  test('a token ends in time, though it was verified a moment ago', async (t) => {
    t.after(() => (server.clock.now = NOW))
    const token = `Bearer ${goodToken(keys, 'p256', { ...claims, exp: NOW / 1000 - 30 })}`
    for (const [later, status] of [
      [0, 200],
      [30_000, 200],
      [30_001, 401],
    ] as const) {
      server.clock.now = NOW + later
      assert.equal((await rotate(token)).status, status, `${later}`)
    }
  })

  test('a request without credentials gets one challenge, in exactly this form', async () => {
    const { status, headers, body } = await rotate(undefined)
    assert.equal(status, 401)
    assert.equal(headers['www-authenticate'], `Bearer realm="${REALM}",service="notary",scope="repository:${GUN}:*"`)
    const detail = [{ Type: 'repository', Class: '', Name: GUN, Action: '*' }]
    const error = { code: 'UNAUTHORIZED', message: 'authentication required', detail }
    assert.equal(body.toString(), `${JSON.stringify({ errors: [error] })}\n`)
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  })

  test('an Authorization header without a Bearer token counts as no credentials', async () => {
    const nothing = seen(await rotate(undefined))
    const good = goodToken(keys, 'p256', claims)
    for (const header of [
      'Bearer',
      'Bearer ',
      good,
      `Token ${good}`,
      `Bearer  ${good}`,
      `Bearer ${good} x`,
      'Basic YTpi',
    ]) {
      assert.deepEqual(seen(await rotate(header)), nothing, header.slice(0, 30))
    }
  })

  test('each of more than 200 hostile tokens gets the same answer and changes nothing', async () => {
    const hostile = hostileTokens(keys, claims, NOW)
    assert.ok(hostile.length >= 300, `${hostile.length} tokens`)
    const names = hostile.map(({ name }) => name)
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
      'each case has a name of its own',
    )
    const before = server.running.store.tail()
    const expected = seen(await rotate('Bearer x.y.z'))
    assert.match(JSON.stringify(expected), /,error=\\"invalid_token\\"/)
    for (const { name, token } of hostile) {
      assert.deepEqual(seen(await rotate(`Bearer ${Buffer.from(token).toString('latin1')}`)), expected, name)
    }
    assert.deepEqual(server.running.store.tail(), before)
    assert.equal((await rotate(`Bearer ${goodToken(keys, 'p256', claims)}`)).status, 200)
  })

  test('the log says what a refused token says of itself, which the settings must match', async () => {
    const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }]
    for (const [header, change, reason] of [
      [{ kid: 'ABCD:EFGH' }, {}, 'the token was refused: no key here verifies it: {"alg":"ES256","kid":"ABCD:EFGH"}'],
      [
        {},
        { iat: 1.5 },
        /^the token was refused: its payload is malformed JSON at byte \d+: a number that is not a plain/,
      ],
      [{}, { iss: 'other' }, 'the token was refused: it is from another issuer: "other"'],
      [{}, { aud: ['a', 'b'] }, 'the token was refused: it is for another service: ["a","b"]'],
      [{}, { access }, 'external:mallory may not; may: read,sign:team/app'],
      [{}, { access: [] }, 'external:mallory may not; may: nothing'],
    ] as const) {
      assert.equal((await rotate(`Bearer ${goodToken(keys, 'p256', { ...claims, ...change }, header)}`)).status, 401)
      if (typeof reason === 'string') assert.equal(reasons.at(-1), reason)
      else assert.match(String(reasons.at(-1)), reason)
    }
  })

  test('two Authorization headers are refused', async () => {
    const good = `Bearer ${goodToken(keys, 'p256', claims)}`
    const path = tufPath(GUN, 'timestamp.key')
    const { status } = await exchange(server, {
      method: 'POST',
      path,
      headers: { authorization: [good, good] as never },
    })
    assert.equal(status, 401)
  })

  test('pull reads, push signs, * rotates and deletes, in exactly the named repository', async () => {
    const ask = async (method: string, file: string, access: object[]): Promise<number> => {
      const authorization = `Bearer ${goodToken(keys, 'p256', { ...claims, access })}`
      return (await exchange(server, { method, path: tufPath(GUN, file), headers: { authorization } })).status
    }
    const entry = (actions: string[], name = GUN, type = 'repository'): object[] => [{ type, name, actions }]
    for (const [actions, read, sign, rotateIt, remove] of [
      [['pull'], 404, 401, 401, 401],
      [['push', 'pull'], 404, 400, 401, 401],
      [['push'], 404, 400, 401, 401],
      [['*'], 404, 400, 200, 200],
      [['delete'], 401, 401, 401, 401],
      [['rotate'], 401, 401, 401, 401],
      [['read', 'sign', 'admin'], 401, 401, 401, 401],
      [['constructor'], 401, 401, 401, 401],
      [['toString', '__proto__'], 401, 401, 401, 401],
      [[], 401, 401, 401, 401],
    ] as const) {
      const access = entry([...actions])
      const found = [
        await ask('GET', 'targets.json', access),
        await ask('POST', '', access),
        await ask('POST', 'timestamp.key', access),
        await ask('DELETE', '', access),
      ]
      assert.deepEqual(found, [read, sign, rotateIt, remove], actions.join(','))
    }
    for (const name of ['*', 'example.org/*', 'example.org/team/*', `${GUN}/`, GUN.toUpperCase(), `${GUN}\u0000`, '']) {
      assert.equal(await ask('GET', 'targets.json', entry(['*'], name)), 401, name)
    }
    for (const type of ['registry', 'Repository', 'repository(plugin)', '']) {
      assert.equal(await ask('GET', 'targets.json', entry(['*'], GUN, type)), 401, type)
    }
    const [pull = {}, push = {}] = [...entry(['pull']), ...entry(['push'])]
    assert.equal(await ask('POST', '', [pull, push]), 400, 'entries add up')
  })

  test('only registry:catalog:* reads the changefeed of all repositories', async () => {
    const ask = async (access: object[]): Promise<number> => {
      const authorization = `Bearer ${goodToken(keys, 'p256', { ...claims, access })}`
      const path = '/v2/_trust/changefeed?records=1'
      return (await exchange(server, { path, headers: { authorization } })).status
    }
    assert.equal(await ask([{ type: 'registry', name: 'catalog', actions: ['*'] }]), 200)
    assert.equal(await ask([{ type: 'registry', name: 'catalog', actions: ['pull'] }]), 401)
    assert.equal(await ask([{ type: 'registry', name: GUN, actions: ['*'] }]), 401)
    assert.equal(
      await ask([{ type: 'repository', name: 'catalog', actions: ['*'] }]),
      401,
      'a repository may have this name',
    )
    assert.equal(await ask([...claims.access]), 401)
    const authorization = `Bearer ${goodToken(keys, 'p256', { ...claims, access: [{ type: 'registry', name: 'catalog', actions: ['*'] }] })}`
    assert.equal((await exchange(server, { path: tufPath(GUN, 'root.json'), headers: { authorization } })).status, 401)
  })

  test('the journal names the subject, and holds no token or other claim', () => {
    const [entry] = [...server.running.store.journal()]
    assert.equal(entry?.actor.name, 'external:mallory')
    const all = JSON.stringify([...server.running.store.journal()])
    assert.doesNotMatch(all, /eyJ/)
  })
})

test('an invalid key set prevents the start', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-jwks-'))
  t.after(() => rm(directory, { recursive: true }))
  const { p256, rsa } = makeServiceKeys()
  const unusable = [
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  ]
  const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'secret', alg: 'HS256' }
  const privatePart = createPrivateKey(p256.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
    format: 'jwk',
  })
  const jwksFile = join(directory, 'jwks.json')
  const start = async (content: string): Promise<void> => {
    await writeFile(jwksFile, content)
    const access = { mode: 'external', realm: REALM, issuer: 'i', jwksFile } as const
    await (await startTestServer({ transport: 'plain', settings: { access } })).stop()
  }
  for (const content of [
    '',
    '[]',
    '{}',
    '{"keys":[]}',
    '{"keys":[null,7,"a"]}',
    JSON.stringify(keySetOf(Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`a${index}`, p256])))),
    JSON.stringify({ keys: [secret] }),
    ...unusable.map((key) => JSON.stringify(keySetOf({ a: key }))),
    JSON.stringify({ keys: [{ ...p256.publicKey.export({ format: 'jwk' }) }] }),
    JSON.stringify({ keys: [{ ...p256.publicKey.export({ format: 'jwk' }), kid: 'a', use: 'enc' }] }),
    JSON.stringify({ keys: [{ ...p256.publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'HS256' }] }),
    JSON.stringify(keySetOf({ a: p256 })).replace(
      '"keys":[',
      `"keys":[${JSON.stringify({ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'a' })},`,
    ),
  ]) {
    await assert.rejects(start(content), { code: 'BAD_SETTINGS' }, content.slice(0, 80))
  }
  // Only the public part of a private key is used.
  await start(JSON.stringify({ keys: [secret, { ...privatePart, kid: 'a' }] }))
})
