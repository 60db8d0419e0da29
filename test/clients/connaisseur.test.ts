import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { after, before, test } from 'node:test'
import { pinRepository } from '../../src/admin/repositories.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { signTag } from '../../src/admin/tags.ts'
import { asOwner, createRepositories, makeRootKeys } from '../support/owner.ts'
import { addPerson, makeToken } from '../support/people.ts'
import { keyIdOf, type KeyEntry, type TestKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { admit, type Rule } from './support/connaisseur.ts'
import { Stage } from './support/stage.ts'

const HEX = 'ab'.repeat(32)
const DIGEST = Buffer.from(HEX, 'hex').toString('base64')
const PASSWORD = 'correct horse'
const OURS = 'docker.io/acme/app'
const OWNERS = 'localhost:5000/acme/app'
let stage: Stage
let passphrase: string
let root: string[]
let all: string

before(async () => {
  stage = await Stage.open({ settings: { access: { mode: 'built-in' } } })
  const { running } = stage.server
  await addPerson(running, 'connaisseur', ['read:docker.io/acme/*', `read:${OWNERS}`], PASSWORD)
  all = await makeToken(running, 'all', ['admin:*'])
  passphrase = await stage.file('a passphrase for root')
  root = ['--passphrase-file', passphrase]
  await createRepositories(stage, passphrase, OURS)
  await stage.ask(signTag, { gun: OURS, tag: 'v1', digest: `sha256:${HEX}`, size: 10 })
})
after(() => stage.close())

async function ruleFor(gun: string): Promise<Rule> {
  const { keys } = await stage.ask(pinRepository, { gun })
  return {
    gun,
    rootKey: createPublicKey(keys[0]!.publicKey),
    auth: `connaisseur:${PASSWORD}`,
    now: stage.server.clock.now,
  }
}

test('Connaisseur admits what the server signed, and nothing else', async () => {
  const rule = await ruleFor(OURS)
  assert.equal(await admit(stage.server, rule, 'v1'), DIGEST)
  const token = await makeToken(stage.server.running, 'connaisseur', ['read:docker.io/acme/*'])
  assert.equal(await admit(stage.server, { ...rule, auth: `token:${token}` }, 'v1'), DIGEST)
  await assert.rejects(admit(stage.server, rule, 'v2'), /no v2/)
  await assert.rejects(admit(stage.server, { ...rule, now: rule.now + 15 * 86_400_000 }, 'v1'), /timestamp: expired/)
  await assert.rejects(admit(stage.server, { ...rule, auth: 'connaisseur:another' }, 'v1'), /token: 401/)
  const { auth: _, ...nobody } = rule
  await assert.rejects(admit(stage.server, nobody, 'v1'), /root: 401/)
})

test('Connaisseur follows new keys of all roles, and of root once no signature of the old key is left', async () => {
  const rule = await ruleFor(OURS)
  await stage.done(['key', 'rotate', OURS, 'timestamp', 'snapshot', 'targets', 'root', '--renew', ...root])
  assert.equal(await admit(stage.server, rule, 'v1'), DIGEST)
  await makeRootKeys(stage, passphrase, 'second')
  await stage.done(['key', 'rotate', OURS, 'root', '--root-key', 'second', ...root])
  const next = await ruleFor(OURS)
  for (const either of [rule, next]) await assert.rejects(admit(stage.server, either, 'v1'), /root: bad signature/)
  await asOwner(stage, passphrase, ({ rotate }) => rotate(OURS, ['timestamp']))
  assert.equal(await admit(stage.server, next, 'v1'), DIGEST)
  await assert.rejects(admit(stage.server, rule, 'v1'), /root: bad signature/)
})

test("Connaisseur admits tags of a server's signer in an owner-signed repository", async () => {
  const server = { url: stage.url, ca: stage.server.ca, authorization: `Bearer ${all}` }
  const { now } = stage.server.clock
  const owner = await TrustWorld.create({ gun: OWNERS, now, serverKeys: keysFrom(server, OWNERS), snapshot: 'server' })
  const { publicKey } = await stage.ask(makeSigner, { name: 'ci' })
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const entry: KeyEntry = { keytype: 'ecdsa', keyval: { private: null, public: spki.toString('base64') } }
  for (const role of ['targets/ci', 'targets/releases']) {
    owner.delegate(role, [{ id: keyIdOf(entry), entry } as TestKey])
    owner.delegations.delete(role)
  }
  await owner.publishFirst(server)
  await stage.ask(signTag, { gun: OWNERS, tag: 'v2', digest: `sha256:${HEX}`, size: 10, as: 'ci' })
  const rule = await ruleFor(OWNERS)
  assert.equal(await admit(stage.server, rule, 'v2'), DIGEST)
  assert.equal(await admit(stage.server, { ...rule, delegations: ['ci', 'releases'] }, 'v2'), DIGEST)
  await assert.rejects(admit(stage.server, rule, 'v1'), /no v1/)
  await assert.rejects(admit(stage.server, { ...rule, delegations: ['alice'] }, 'v2'), /no targets\/alice/)
})

test('Connaisseur refuses Ed25519 keys until they are rotated to ECDSA', async () => {
  const gun = 'docker.io/acme/before'
  await stage.server.restart({ keyAlgorithm: 'ed25519' })
  await createRepositories(stage, passphrase, gun)
  await stage.ask(signTag, { gun, tag: 'v1', digest: `sha256:${HEX}`, size: 10 })
  const rule = await ruleFor(gun)
  await assert.rejects(admit(stage.server, rule, 'v1'), /keytype ed25519/)
  await stage.server.restart({ keyAlgorithm: 'ecdsa' })
  await asOwner(stage, passphrase, ({ rotate }) => rotate(gun, ['timestamp', 'snapshot', 'targets']))
  assert.equal(await admit(stage.server, rule, 'v1'), DIGEST)
})
