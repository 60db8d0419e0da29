import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsed } from '../../src/admin/operation.ts'
import { listRootKeys, saveRootKey } from '../../src/admin/root-keys.ts'
import type { Connection } from '../../src/cli/connect.ts'
import { RootKeyring } from '../../src/cli/root-keys.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'

test('a command that opened a root key does not bring it back after it was taken offline', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const actor = { name: 'local' }
  const connection: Connection = {
    call: (operation, input) => operation.run(world, parsed(operation, input), actor),
    close: async () => {},
  }
  const passphraseFile = join(server.directory, 'passphrase')
  await writeFile(passphraseFile, 'correct horse battery', { mode: 0o600 })
  const keyring = new RootKeyring(connection, passphraseFile)
  const opened = await keyring.create('owner')
  const { name, public: publicKey } = opened.record
  await saveRootKey.run(world, { name, public: publicKey, sealed: null, certificates: {} }, actor)
  // A certificate that many repositories share is kept with the key.
  const certificate = await keyring.certificate(opened, 'docker.io/acme/*')
  const [kept] = await listRootKeys.run(world, {}, actor)
  assert.partialDeepStrictEqual(kept, { name, sealed: null, certificates: { 'docker.io/acme/*': certificate } })
})
