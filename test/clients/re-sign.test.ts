import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { showExpiry } from '../../src/admin/expiry.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Stage } from './support/stage.ts'
import { runProgram, skipWithout, succeeded } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry', 'notary')
let stage: Stage
let engine: Engine

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  engine = await Engine.start()
})
after(async () => {
  if (skip !== false) return
  await engine.stop()
  await stage.close()
})

/** Returns what `expiry` says about a role. */
async function todo(gun: string, role: string): Promise<string | undefined> {
  const rows = await stage.ask(showExpiry, {})
  return rows.find((row) => row.gun === gun && row.what === role)?.todo
}

/** Does something, and returns which roles were signed by it, sorted: docker uploads them in any order. */
async function signedBy(gun: string, work: () => Promise<unknown>): Promise<string[]> {
  const versions = (): Map<string, number> => {
    const head = stage.server.running.trust.store.head(parseGun(gun))
    return new Map(Object.entries(head?.roles ?? {}).map(([role, { version }]) => [role, version]))
  }
  const before = versions()
  await work()
  const signed = [...versions()].filter(([role, version]) => role.startsWith('targets') && version !== before.get(role))
  return signed.map(([role]) => role).toSorted()
}

test(
  'what expiry tells the owner and the signers of a repository made by docker signs that role anew',
  { skip },
  async () => {
    const gun = `${engine.registry}/team/anew`
    const alice = await DockerClient.create(engine, stage, 'alice')
    for (const tag of ['v1', 'v2']) await engine.image(`${gun}:${tag}`, tag)
    await alice.run('trust', 'sign', `${gun}:v1`)
    const witness = `notary witness -p ${gun}`
    assert.equal(
      await todo(gun, 'targets'),
      `its owner: ${witness} targets, or docker trust signer add, with a new signer or one that is there`,
    )
    const more = 'docker trust sign of a tag not signed yet'
    assert.equal(await todo(gun, 'targets/alice'), `whoever signs it: ${more}, or ${witness} targets/alice`)

    const sign = (tag: string): Promise<string[]> => signedBy(gun, () => alice.run('trust', 'sign', `${gun}:${tag}`))
    assert.deepEqual(await sign('v1'), [], 'signed already')
    assert.deepEqual(await sign('v2'), ['targets/alice', 'targets/releases'])
    const passphrases = {
      NOTARY_TARGETS_PASSPHRASE: 'a-test-passphrase',
      NOTARY_DELEGATION_PASSPHRASE: 'a-test-passphrase',
    }
    const place = ['-d', join(alice.directory, 'trust'), '-s', stage.url, '--tlscacert', stage.caFile]
    for (const role of ['targets', 'targets/alice']) {
      const work = async (): Promise<unknown> =>
        succeeded(await runProgram('notary', [...place, 'witness', '-p', gun, role], passphrases))
      assert.deepEqual(await signedBy(gun, work), [role])
    }
    await alice.run('trust', 'key', 'generate', 'bob', '--dir', alice.directory)
    const add = (): Promise<unknown> =>
      alice.run('trust', 'signer', 'add', '--key', join(alice.directory, 'bob.pub'), 'bob', gun)
    assert.deepEqual(await signedBy(gun, add), ['targets'])
    assert.deepEqual(await signedBy(gun, add), ['targets'], 'one that is there')
  },
)

test('in a repository without signers, docker signs targets', { skip }, async () => {
  const gun = `${engine.registry}/team/pushed`
  const alice = await DockerClient.create(engine, stage, 'alice')
  for (const tag of ['v1', 'v2']) await engine.image(`${gun}:${tag}`, tag)
  await alice.run('push', `${gun}:v1`)
  const more = 'docker trust sign of a tag not signed yet'
  assert.equal(await todo(gun, 'targets'), `its owner: ${more}, or notary witness -p ${gun} targets`)
  assert.deepEqual(await signedBy(gun, () => alice.run('trust', 'sign', `${gun}:v2`)), ['targets'])
})
