import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { requestOf } from '../../src/admin/request.ts'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import type { StagedRootDescription } from '../../src/repository/roots/staged.ts'
import { openKeysDirectory } from '../../src/signing/keys-directory.ts'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey, rootPublicKey, sealRootKey } from '../../src/signing/root-key.ts'
import { headKey, journalKey, recordKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { GUN as ADOPTED, made, NOW } from '../support/adoption.ts'
import { mustFit } from '../support/held-answers.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

const OWN = parseGun('docker.io/acme/own')
const PUBLISHED = 'docker.io/acme/published'
const PASSPHRASE = 'correct horse battery'
const digest = `sha256:${'a'.repeat(64)}`
const grants = [{ pattern: '*', actions: ['read', 'sign'] }]

describe('answers of the admin API match their schemas', () => {
  let server: TestServer
  const answered = new Set<string>()

  before(async () => {
    server = await startTestServer({ now: NOW })
  })
  after(() => server.stop())

  /** Asks through the control socket. @returns the answer, checked against its schema */
  async function ask(name: string, input: Record<string, unknown> = {}, dryRun = false): Promise<unknown> {
    const operation = OPERATIONS.find((each) => each.name === name)
    assert.ok(operation)
    const { method, url: path, headers, body } = requestOf(operation, input, dryRun)
    const socketPath = join(server.directory, 'data', 'control.sock')
    const answer = await new Promise<string>((resolve, reject) => {
      request({ socketPath, method, path, headers, agent: false }, (response) => {
        text(response).then((all) => (response.statusCode === 200 ? resolve(all) : reject(new Error(all))), reject)
      })
        .on('error', reject)
        .end(body)
    })
    const read: unknown = JSON.parse(answer)
    mustFit(operation, read)
    answered.add(name)
    return read
  }

  /** Asks with a dry run, then for real. */
  async function change(name: string, input: Record<string, unknown>): Promise<unknown> {
    await ask(name, input, true)
    return ask(name, input)
  }

  const repositories = async (...guns: string[]): Promise<void> => {
    for (const gun of guns)
      for (const name of ['repo.show', 'repo.pin', 'key.list', 'tag.list']) await ask(name, { gun })
  }

  test('users, tokens and tag policies', async () => {
    await change('user.add', { name: 'alice', grants, password: PASSPHRASE })
    await change('user.password', { name: 'alice', password: PASSPHRASE })
    await change('user.set', { name: 'alice', disabled: false })
    await ask('user.list')
    for (const more of [{ owner: 'alice', days: 0.123456789 }, { days: null }])
      await change('token.create', { name: `t${more.days}`, grants, ...more })
    await change('token.revoke', { token: 'tnull' })
    await ask('token.list')
    const rules = [{ guns: '*', tags: 'v*', checkedWithinMinutes: 1.5 }, { guns: 'docker.io/acme/*' }]
    for (const subject of ['user:alice', 'token:nobody']) await change('policy.set', { subject, rules })
    await ask('policy.show', { subject: 'user:alice' })
    await ask('policy.list')
    await change('policy.remove', { subject: 'user:alice' })
    await change('user.remove', { name: 'alice' })
  })

  test('a repository that the server signs, from its root key on', async () => {
    const [key, other] = [makeRootKey(), makeRootKey()]
    await change('root-key.save', { name: 'owner', public: rootPublicKey(key), sealed: sealRootKey(key, PASSPHRASE) })
    const { public: certificate } = await issueRootCertificate(key, OWN, NOW)
    const certificates = { 'docker.io/acme/*': certificate }
    await change('root-key.save', { name: 'offline', public: rootPublicKey(other), sealed: null, certificates })
    await ask('root-key.list')
    await change('root.stage', { gun: OWN, change: { what: 'create', certificates: [certificate] } })
    const staged = (await ask('root.staged', { gun: OWN })) as StagedRootDescription
    await ask('root.waiting')
    await change('root.sign', { gun: OWN, signatures: signaturesBy(key, staged) })
    await change('root.publish', { gun: OWN })
    await ask('root.plan', { gun: OWN, roles: ['targets', 'root'] })
    await change('root.stage', { gun: OWN, change: { what: 'keys', roles: ['timestamp'] } })
    await ask('root.waiting')
    await change('root.discard', { gun: OWN })
    await change('tag.sign', { gun: OWN, tag: 'v1', digest, size: 7 })
    await change('tag.change', { gun: OWN, set: [{ tag: 'v2', digest, size: 7 }] })
    await change('tag.remove', { gun: OWN, tag: 'v1' })
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' })
    const { keyIds } = (await change('delegation.add', { gun: OWN, name: 'alice', keys: [pem] })) as {
      keyIds: string[]
    }
    await repositories(OWN)
    await ask('delegation.remove', { gun: OWN, name: 'alice', keyIds }, true)
    await change('delegation.remove', { gun: OWN, name: 'alice' })
    await change('root-key.remove', { name: 'owner' })
  })

  test('an owner-signed repository with an unsigned delegation, and an adopted one', async () => {
    await change('signer.create', { name: 'ci' })
    await ask('signer.show', { name: 'ci' })
    const owner = await TrustWorld.create({ gun: PUBLISHED, now: NOW, serverKeys: keysFrom(server, PUBLISHED) })
    owner.delegate('targets/alice', [makeKey('ecdsa')])
    await owner.publishFirst(server)
    for (const finish of [false, true]) await change('signer.rotate', { name: 'ci', finish })
    await ask('signer.list')
    await change('signer.remove', { name: 'ci' })
    const { documents, timestampKey } = await made()
    const offered = documents().map(({ role, bytes }) => ({ role, bytes: Buffer.from(bytes).toString('base64') }))
    await change('repo.adopt', { gun: ADOPTED, documents: offered })
    await repositories(PUBLISHED, ADOPTED)
    const keys = await openKeysDirectory(join(server.directory, 'keys'))
    const pkcs8 = timestampKey.privateKey.export({ type: 'pkcs8', format: 'der' })
    const { sealed, ...key } = keys.signer('ecdsa').importKey(ADOPTED, 'timestamp', pkcs8)
    const text = Buffer.from(sealed).toString('base64')
    const elsewhere = { gun: ADOPTED, role: 'snapshot', ...key, sealed: text }
    await assert.rejects(ask('key.import', elsewhere), /"INVALID_PARAMETERS".*does not open/)
    await change('key.import', { gun: ADOPTED, role: 'timestamp', ...key, sealed: text })
    await repositories(ADOPTED)
    await ask('repo.list')
    await change('repo.delete', { gun: ADOPTED })
    await ask('clock.show')
    await change('clock.accept', {})
    await ask('backup', { directory: join(server.directory, 'backup') })
  })

  test('damaged repositories', async () => {
    await change('user.add', { name: 'bob', grants: [] })
    await change('signer.create', { name: 'nightly' })
    await change('root.stage', { gun: OWN, change: { what: 'keys', roles: ['snapshot'] } })
    const [token] = (await ask('token.list')) as [{ id: string }]
    const records = [
      ['user', 'bob'],
      ['token', token.id],
      ['signer', 'nightly'],
      ['policy', 'token:nobody'],
      ['root-key', 'offline'],
      ['staged-root', OWN],
    ] as const
    const directory = join(server.directory, 'data')
    const damaged = [headKey(OWN), ...records.map(([kind, name]) => recordKey(kind, name))]
    for (const key of damaged) await spoil({ directory }, key)
    const lists = ['user.list', 'token.list', 'signer.list', 'policy.list', 'root-key.list', 'root.waiting']
    for (const name of [...lists, 'repo.list']) assert.match(JSON.stringify(await ask(name)), /"damaged":/, name)
    assert.match(JSON.stringify(await ask('find', { digest })), /"damaged":/)
    assert.match(JSON.stringify(await ask('check')), /"severity":"error"/)
    assert.match(JSON.stringify(await ask('expiry')), /"damaged"/)
    await change('signer.remove', { name: 'nightly' })
    await change('root-key.remove', { name: 'offline' })
    await spoil({ directory }, journalKey(2))
    assert.match(JSON.stringify(await ask('audit', { limit: 1000 })), /"damaged":/)
  })

  test('every operation has been answered above', () => {
    assert.deepEqual(
      OPERATIONS.map(({ name }) => name).filter((name) => !answered.has(name)),
      [],
    )
  })
})
