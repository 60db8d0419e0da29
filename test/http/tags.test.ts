import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { policySubjects } from '../../src/admin/enforce-policies.ts'
import { parsed } from '../../src/admin/operation.ts'
import { removePolicy, setPolicy } from '../../src/admin/policies.ts'
import { publishRoot, signRoot, stageNextRoot } from '../../src/admin/roots.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { revokeToken } from '../../src/admin/tokens.ts'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey } from '../../src/signing/root-key.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const GUN = parseGun('docker.io/acme/app')
const TAGS = `/api/v1/repositories/${encodeURIComponent(GUN)}/tags`
const LOCAL = { name: 'local' }
const PASSWORD = 'correct horse battery'
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`

describe('tags over the admin API', () => {
  let server: TestServer
  let job: string

  before(async () => {
    server = await startTestServer({ settings: { admin: { listen: { port: 0 } }, access: { mode: 'built-in' } } })
    const world = worldOf(server.running)
    const key = makeRootKey()
    const { public: certificate } = await issueRootCertificate(key, GUN, server.clock.now)
    const change = { what: 'create' as const, certificates: [certificate], threshold: 1 }
    const staged = await stageNextRoot.run(world, { gun: GUN, change }, LOCAL)
    await signRoot.run(world, { gun: GUN, signatures: signaturesBy(key, staged) }, LOCAL)
    await publishRoot.run(world, { gun: GUN }, LOCAL)
    await addPerson(server.running, 'alice', ['sign:docker.io/acme/*'], PASSWORD)
    job = `Bearer ${await makeToken(server.running, 'job', ['sign:docker.io/acme/*'])}`
  })
  after(() => server.stop())

  function ask(
    method: string,
    path: string,
    authorization: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    return exchange(endpoint, { method, path, headers: { authorization, ...headers }, ...text })
  }

  const put = (tag: string, letter: string, authorization = job, headers = {}): Promise<Answer> =>
    ask('PUT', `${TAGS}/${tag}`, authorization, { digest: digest(letter), size: 5 }, headers)
  const jsonOf = ({ body }: Answer): Record<string, unknown> => JSON.parse(body.toString()) as Record<string, unknown>

  test('signs, lists and removes a tag, with the ETag of the role that signs', async () => {
    const first = await put('v1', 'a')
    assert.equal(first.status, 200, first.body.toString())
    assert.deepEqual([jsonOf(first)['changed'], jsonOf(first)['roles']], [true, ['targets']])
    assert.equal(first.headers['etag'], `"${server.running.store.head(GUN)?.roles['targets']?.sha256}"`)
    const again = await put('v1', 'a')
    assert.deepEqual([again.status, jsonOf(again)['changed'], again.headers['etag']], [200, false, first.headers.etag])
    const list = await ask('GET', TAGS, job)
    assert.equal(list.headers['etag'], first.headers['etag'])
    const row = { tag: 'v1', digest: 'a'.repeat(64), length: 5, role: 'targets' }
    assert.deepEqual(jsonOf(list)['tags'], [row])
    assert.equal(jsonOf(await ask('DELETE', `${TAGS}/v1`, job))['changed'], true)
    assert.equal(jsonOf(await ask('DELETE', `${TAGS}/v1`, job))['changed'], false)
  })

  test('a GUN with unescaped slashes is refused with the escaped form', async () => {
    const { status, body } = await ask('GET', `/api/v1/repositories/${GUN}/tags`, job)
    assert.equal(status, 404)
    assert.match(body.toString(), /no such operation.*docker\.io%2Facme%2Fapp/)
  })

  test('adds and removes many tags in one publish', async () => {
    await put('old', 'a')
    const before = server.running.store.head(GUN)?.roles['targets']?.version ?? 0
    const set = ['x', 'y', 'z'].map((tag) => ({ tag, digest: digest('b'), size: 1 }))
    const answer = await ask('POST', TAGS, job, { set, remove: ['old'] })
    assert.equal(answer.status, 200, answer.body.toString())
    assert.equal(server.running.store.head(GUN)?.roles['targets']?.version, before + 1)
    const { tags } = jsonOf(await ask('GET', TAGS, job)) as { tags: { tag: string }[] }
    assert.deepEqual(tags.map(({ tag }) => tag).toSorted(), ['x', 'y', 'z'])
    const twice = await ask('POST', TAGS, job, { set, remove: ['x'] })
    assert.equal(twice.status, 400)
    assert.equal((await ask('POST', TAGS, job, { set: [{ tag: 'x', digest: 'latest', size: 1 }] })).status, 400)
  })

  test('If-Match takes the ETag, quoted or not, or *; an old one gives 412', async () => {
    const { etag = '' } = (await put('v2', 'a')).headers as { etag?: string }
    const statuses: number[] = []
    for (const value of [etag, etag, '""', `"${'0'.repeat(64)}"`, '*']) {
      statuses.push((await put('v2', statuses.length === 0 ? 'b' : 'c', job, { 'if-match': value })).status)
    }
    assert.deepEqual(statuses, [200, 412, 412, 412, 200])
    const old = { 'if-match': etag }
    assert.equal((await ask('DELETE', `${TAGS}/v2`, job, undefined, old)).status, 412)
    assert.equal((await ask('POST', TAGS, job, { remove: ['v2'] }, old)).status, 412)
    const { etag: plain } = jsonOf(await ask('GET', TAGS, job)) as { etag: string }
    assert.equal((await ask('DELETE', `${TAGS}/v2`, job, undefined, { 'if-match': plain })).status, 200)
  })

  test('a reader may not sign, and others do not learn what exists', async () => {
    const reader = `Bearer ${await makeToken(server.running, 'reader', [`read:${GUN}`])}`
    const stranger = `Bearer ${await makeToken(server.running, 'stranger', ['admin:docker.io/other/*'])}`
    const head = server.running.store.head(GUN)
    for (const [method, path, body] of [
      ['PUT', `${TAGS}/v1`, { digest: digest('f'), size: 1 }],
      ['DELETE', `${TAGS}/v1`, undefined],
      ['POST', TAGS, { set: [], remove: ['x'] }],
    ] as const) {
      assert.equal((await ask(method, path, reader, body)).status, 403, method)
      assert.equal((await ask(method, path, stranger, body)).status, 404, method)
    }
    assert.equal((await ask('GET', TAGS, reader)).status, 200)
    for (const path of ['/api/v1/signers', '/api/v1/policies']) assert.equal((await ask('GET', path, job)).status, 403)
    assert.equal(server.running.store.head(GUN), head)
  })

  test('a tag policy of a user also binds their tokens and certificates', async () => {
    const world = worldOf(server.running)
    const rules = [{ guns: 'docker.io/acme/*', tags: 'v*' }]
    const basic = `Basic ${Buffer.from(`alice:${PASSWORD}`).toString('base64')}`
    // She made this token herself.
    const grants = [{ pattern: GUN, actions: ['sign'] }]
    const made = jsonOf(await ask('POST', '/api/v1/tokens', basic, { name: 'mine', grants }))
    const token = `Bearer ${String(made['token'])}`
    assert.equal((await put('latest', 'a', token)).status, 200)
    await setPolicy.run(world, parsed(setPolicy, { subject: 'user:alice', rules }), LOCAL)
    for (const authorization of [basic, token]) {
      const answer = await put('latest', 'b', authorization)
      assert.equal(answer.status, 403)
      const { error } = jsonOf(answer) as { error: { code: string; message: string } }
      assert.deepEqual(error, {
        code: 'POLICY',
        message: `user:alice may not have latest signed: no rule for ${GUN} allows the tag latest: v*`,
      })
      assert.equal((await put(`v-${authorization.slice(0, 5)}`, 'b', authorization)).status, 200)
    }
    assert.equal((await put('latest', 'b', job)).status, 200)
    const { store } = world.trust
    const certificate = { name: 'certificate:alice', grants: [] }
    assert.deepEqual(policySubjects(store, certificate, 'ci'), ['certificate:alice', 'user:alice', 'signer:ci'])
    // A revoked token's policy does not bind a later token of the same name.
    await revokeToken.run(world, { token: String(made['id']) }, LOCAL)
    const another = `Bearer ${await makeToken(server.running, 'mine', [`sign:${GUN}`])}`
    assert.equal((await put('latest', 'c', another)).status, 200)
    await removePolicy.run(world, { subject: 'user:alice' }, LOCAL)
  })

  test('Content-Length: 0 counts as no body: many clients send it with an empty POST', async () => {
    const root = `Bearer ${await makeToken(server.running, 'empty', ['admin:*'])}`
    const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca }
    for (const [name, body] of [['none'], ['empty', '']] as const) {
      await makeSigner.run(worldOf(server.running), { name }, LOCAL)
      const ways = { method: 'POST', path: `/api/v1/signers/${name}/rotation`, headers: { authorization: root } }
      const answer = await exchange(endpoint, body === undefined ? ways : { ...ways, body })
      assert.equal(answer.status, 200, answer.body.toString())
    }
  })

  test('the tags of a signer come with the ETag of their role; an unknown signer is refused', async () => {
    await makeSigner.run(worldOf(server.running), { name: 'ci' }, LOCAL)
    const answer = await ask('GET', `${TAGS}?as=ci`, job)
    assert.deepEqual(jsonOf(answer), { gun: GUN, etag: '', tags: [] })
    assert.equal((await ask('GET', `${TAGS}?as=releases`, job)).status, 400)
  })
})
