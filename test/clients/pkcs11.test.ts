import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SettingsInput } from '../../src/settings/schema.ts'
import { isReference } from '../../src/signing/pkcs11/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { skipWithoutToken, SoftToken } from '../support/soft-token.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithoutToken === false ? skipWithout('notary') : skipWithoutToken
const GUN = 'example.org/custody/app'

let token: SoftToken
let stage: Stage

before(async () => {
  if (skip !== false) return
  token = await SoftToken.create()
  stage = await Stage.open({ settings: custody('pkcs11') })
})
after(async () => {
  if (skip !== false) return
  await stage.close()
  await token.remove()
})

/** Settings that keep the timestamp key where the argument says, and all other keys sealed in the store. */
function custody(signer: 'file' | 'pkcs11'): SettingsInput {
  // Not the algorithm of the token: so a key shows where it was made.
  return { keyAlgorithm: 'ed25519', signers: { pkcs11: token.settings, rules: [{ role: 'timestamp', signer }] } }
}

/** Returns where the timestamp keys of a repository are, oldest first. */
function places(gun: string): string[] {
  const keys = stage.server.running.trust.store.keys(parseGun(gun), 'timestamp')
  return keys.map(({ sealed }) => (isReference(sealed) ? 'pkcs11' : 'file'))
}

test('notary publishes and reads with the timestamp key in a token', { skip }, async () => {
  const publisher = await stage.client()
  await publisher.run('init', '-p', GUN)
  await publisher.run('add', '-p', GUN, 'v1', await stage.file('v1'))
  assert.deepEqual(places(GUN), ['pkcs11'])
  const reader = await stage.client()
  assert.deepEqual(await reader.list(GUN), ['v1 targets'])
  await stage.server.restart()
  await publisher.run('add', '-p', GUN, 'v2', await stage.file('v2'))
  assert.deepEqual(await reader.list(GUN), ['v1 targets', 'v2 targets'])
})

test(
  'while the token is away, clients read, and a publish is refused as retryable and succeeds later',
  { skip },
  async () => {
    const publisher = await stage.client()
    const gun = 'example.org/custody/away'
    await publisher.run('init', '-p', gun)
    await token.takeAway()
    const refused = await publisher.try('add', '-p', gun, 'v1', await stage.file('v1'))
    assert.notEqual(refused.code, 0)
    assert.match(refused.text, /503|unavailable/i)
    assert.deepEqual(await (await stage.client()).list(gun), [])
    await token.putBack()
    await until('the token to be back', () => stage.server.running.trust.signer.readiness().usable)
    // The earlier addition is in the client's change list, and goes with the next publish.
    await publisher.run('publish', gun)
    assert.deepEqual(await (await stage.client()).list(gun), ['v1 targets'])
  },
)

test(
  'a role moves from file to token and back by rotation, and clients with an old cache follow',
  { skip },
  async () => {
    const gun = 'example.org/custody/moves'
    await stage.server.restart(custody('file'))
    const publisher = await stage.client()
    await publisher.run('init', '-p', gun)
    await publisher.run('add', '-p', gun, 'v1', await stage.file('v1'))
    const reader = await stage.client()
    const sleeper = await stage.client()
    assert.deepEqual([await reader.list(gun), await sleeper.list(gun)], [['v1 targets'], ['v1 targets']])
    for (const [index, place] of (['pkcs11', 'file'] as const).entries()) {
      await stage.server.restart(custody(place))
      await publisher.run('key', 'rotate', gun, 'timestamp', '-r')
      await publisher.run('add', '-p', gun, `v${index + 2}`, await stage.file(place))
      const { body } = await exchange(stage.server, { path: tufPath(gun, 'timestamp.json') })
      assert.match(body.toString(), place === 'pkcs11' ? /"method":"ecdsa"/ : /"method":"eddsa"/)
      assert.equal((await reader.list(gun)).length, index + 2)
    }
    assert.deepEqual(places(gun), ['file', 'pkcs11', 'file'])
    assert.deepEqual(await sleeper.list(gun), ['v1 targets', 'v2 targets', 'v3 targets'])
    assert.deepEqual(await stage.server.check(), [])
  },
)
