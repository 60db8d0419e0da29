import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parsed, type World } from '../../src/admin/operation.ts'
import { removeRootKey } from '../../src/admin/root-key-removal.ts'
import { listRootKeys, saveRootKey } from '../../src/admin/root-keys.ts'
import { stageNextRoot } from '../../src/admin/roots.ts'
import type { Connection } from '../../src/cli/connection/connection.ts'
import { RootKeyring } from '../../src/cli/root/keyring.ts'
import { makeRootKey, rootPublicKey } from '../../src/signing/root-key.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'

const ACTOR = { name: 'local' }

async function keyringOf(t: TestContext): Promise<{ world: World; keyring: RootKeyring; another: RootKeyring }> {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const connection: Connection = {
    call: (operation, input) => operation.run(world, parsed(operation, input), ACTOR),
    close: async () => {},
  }
  const passphraseFile = join(server.directory, 'passphrase')
  await writeFile(passphraseFile, 'correct horse battery', { mode: 0o600 })
  const keyring = (): RootKeyring => new RootKeyring(connection, passphraseFile)
  return { world, keyring: keyring(), another: keyring() }
}

test('a command that opened a root key before it was taken offline does not store it again', async (t) => {
  const { world, keyring } = await keyringOf(t)
  const opened = await keyring.create('owner')
  const { name, public: publicKey } = opened.record
  await saveRootKey.run(world, { name, public: publicKey, sealed: null, certificates: {} }, ACTOR)
  // A shared certificate is stored with the key.
  const certificate = await keyring.certificate(opened, 'docker.io/acme/*')
  await saveRootKey.run(world, { name, public: publicKey, certificates: {} }, ACTOR)
  const [kept] = await listRootKeys.run(world, {}, ACTOR)
  assert.partialDeepStrictEqual(kept, { name, sealed: null, certificates: { 'docker.io/acme/*': certificate } })
})

test('two concurrent first repositories use the same new root key', async (t) => {
  const { keyring, another } = await keyringOf(t)
  const opened = await Promise.all([keyring.openOrCreate(undefined), another.openOrCreate(undefined)])
  const [first, second] = opened.map(({ record, key }) => [record.keyId, rootPublicKey(key)])
  assert.deepEqual(first, second)
})

test('of two commands that issue a shared certificate, the second uses that of the first', async (t) => {
  const { keyring, another } = await keyringOf(t)
  const mine = await keyring.create('owner')
  const theirs = await another.open('owner')
  const certificate = await another.certificate(theirs, 'docker.io/acme/*')
  assert.equal(await keyring.certificate(mine, 'docker.io/acme/*'), certificate)
  assert.notEqual(await keyring.certificate(mine, 'docker.io/acme/*', true), certificate)
})

test('a command that opened a root key before it was removed does not store it again', async (t) => {
  const { world, keyring } = await keyringOf(t)
  const opened = await keyring.create('owner')
  await removeRootKey.run(world, { name: 'owner' }, ACTOR)
  await assert.rejects(keyring.certificate(opened, 'docker.io/acme/*'), { code: 'NOT_FOUND' })
  assert.deepEqual(await listRootKeys.run(world, {}, ACTOR), [])
})

test('another key is not stored under an existing name', async (t) => {
  const { world, keyring } = await keyringOf(t)
  const { record } = await keyring.create('owner')
  const other = { name: 'owner', public: rootPublicKey(makeRootKey()), sealed: null, certificates: {} }
  await assert.rejects(saveRootKey.run(world, other, ACTOR), { code: 'WRONG_STATE' })
  assert.deepEqual(await listRootKeys.run(world, {}, ACTOR), [record])
})

test('removing a root key names the repositories that need it, among them those whose first root waits', async (t) => {
  const { world, keyring } = await keyringOf(t)
  const gun = parseGun('docker.io/acme/first')
  const certificates = [await keyring.certificate(await keyring.create('owner'), gun)]
  await stageNextRoot.run(world, { gun, change: { what: 'create', certificates, threshold: 1 } }, ACTOR)
  // The same key under another name does not replace the sealed one: there it is only known, not stored.
  const { public: publicKey } = (await keyring.open('owner')).record
  await saveRootKey.run(world, { name: 'known', public: publicKey, sealed: null, certificates: {} }, ACTOR)
  const unused = removeRootKey.run(world, { name: 'owner', unused: 'true' }, ACTOR)
  await assert.rejects(unused, { code: 'WRONG_STATE', message: /first needs owner: / })
  const { warnings } = await removeRootKey.run(world, { name: 'owner' }, ACTOR)
  assert.match(warnings.join(), /^docker\.io\/acme\/first needs owner: /)
  const left = (await listRootKeys.run(world, {}, ACTOR)).map(({ name }) => name)
  assert.deepEqual(left, ['known'])
})
