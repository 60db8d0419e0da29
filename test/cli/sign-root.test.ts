import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsed } from '../../src/admin/operation.ts'
import { discardRoot, showStagedRoot, signRoot, stageNextRoot } from '../../src/admin/roots.ts'
import type { Connection } from '../../src/cli/connection/connection.ts'
import { TrustError } from '../../src/errors.ts'
import { RootKeyring } from '../../src/cli/root/keyring.ts'
import { signAndPublish } from '../../src/cli/root/sign-and-publish.ts'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import { stageAndPublish } from '../../src/cli/root/stage-and-publish.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'
import { countersign } from '../support/server-process.ts'

const GUN = 'example.org/two-admins'

test("a failed rotation unstages its own root, never another admin's, and says how to continue", async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const actor = { name: 'local' }
  let meanwhile = false
  let full = false
  /** After this operation the server no longer answers. */
  let last: string | undefined
  let stopped = false
  /** Before this operation another admin signs and publishes the waiting root. */
  let signedBefore: string | undefined
  const connection: Connection = {
    async call(operation, input, dryRun = false) {
      if (stopped) throw new TrustError('STORE_UNAVAILABLE', 'stopped')
      if (operation.name === signedBefore) {
        signedBefore = undefined
        await signAndPublish(connection, keyring, GUN)
      }
      if (full && operation.name === 'root.publish') throw new TrustError('STORE_UNAVAILABLE', 'no room')
      const rehearsed = { ...world, trust: { ...world.trust, store: { ...world.trust.store, commit: async () => 0 } } }
      const output = await operation.run(dryRun ? rehearsed : world, parsed(operation, input), actor)
      if (meanwhile && operation.name === 'root.stage' && !dryRun) {
        await discardRoot.run(world, parsed(discardRoot, { gun: GUN }), actor)
        const other = { gun: GUN, change: { what: 'keys' as const, roles: ['snapshot' as const] } }
        await stageNextRoot.run(world, parsed(stageNextRoot, other), { name: 'user:bob' })
      }
      stopped = operation.name === last && !dryRun
      if (stopped) throw new TrustError('STORE_UNAVAILABLE', 'stopped')
      return output
    },
    close: async () => {},
  }
  const passphraseFile = join(server.directory, 'passphrase')
  await writeFile(passphraseFile, 'correct horse battery', { mode: 0o600 })
  const keyring = new RootKeyring(connection, passphraseFile)
  const certificate = await keyring.certificate(await keyring.create('root'), GUN)
  await stageAndPublish(connection, keyring, GUN, { what: 'create', certificates: [certificate] })
  full = true
  const change = { what: 'keys' as const, roles: ['timestamp' as const] }
  await assert.rejects(stageAndPublish(connection, keyring, GUN, change), { message: 'no room' })
  const left = showStagedRoot.run(world, parsed(showStagedRoot, { gun: GUN }), actor)
  await assert.rejects(left, { code: 'NOT_FOUND' }, 'it would block the next try')
  full = false
  // The staged root may have arrived, or cannot be withdrawn.
  for (const operation of ['root.stage', 'root.sign']) {
    last = operation
    await assert.rejects(stageAndPublish(connection, keyring, GUN, change), {
      message: 'stopped',
      hint: `"countersign root waiting" says whether a root of ${GUN} waits now: then "countersign root sign ${GUN}" goes on with it, "countersign root discard ${GUN}" takes it back`,
    })
    stopped = false
    await discardRoot.run(world, parsed(discardRoot, { gun: GUN }), actor)
  }
  last = undefined
  meanwhile = true
  await assert.rejects(stageAndPublish(connection, keyring, GUN, change), /not a signature of the staged/)
  const waits = await showStagedRoot.run(world, parsed(showStagedRoot, { gun: GUN }), actor)
  assert.partialDeepStrictEqual(waits, { by: 'user:bob', signatures: [], version: 2 })

  // Signed, but not published, as when a token was away.
  const { key } = await keyring.open('root')
  await signRoot.run(world, parsed(signRoot, { gun: GUN, signatures: signaturesBy(key, waits) }), actor)
  const { stdout } = await countersign(['root', 'waiting'], {
    PATH: process.env['PATH'] ?? '',
    COUNTERSIGN_DATA_DIRECTORY: join(server.directory, 'data'),
    COUNTERSIGN_KEYS_DIRECTORY: join(server.directory, 'keys'),
  })
  assert.match(
    stdout,
    /user:bob {2}nobody {9}a new snapshot key; signed: countersign root publish example\.org\/two-admins\n$/,
  )

  await discardRoot.run(world, parsed(discardRoot, { gun: GUN }), actor)
  meanwhile = false
  for (const operation of ['root.sign', 'root.publish']) {
    signedBefore = operation
    await assert.rejects(stageAndPublish(connection, keyring, GUN, change), {
      code: 'WRONG_STATE',
      message: `the root of ${GUN} no longer waits: another command published or discarded it`,
      hint: `"countersign audit --gun ${GUN}" says which`,
    })
  }
})
