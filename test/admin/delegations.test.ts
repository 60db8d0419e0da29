import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { addDelegation, removeDelegation } from '../../src/admin/delegations.ts'
import { parsed, type World } from '../../src/admin/operation.ts'
import { rehearsing } from '../../src/admin/rehearse.ts'
import { makeSigner, renewSigner } from '../../src/admin/signers.ts'
import { currentDelegations } from '../../src/repository/current.ts'
import { encodePem } from '../../src/tuf/asn1/pem.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localKeys, localPublish, openLocalTrust, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { worldOf } from '../support/people.ts'
import { createSignedByServer } from '../support/signed-by-server.ts'
import { TrustWorld } from '../support/trust-world.ts'
import { ecKeys, makeCertificate, pemOf } from '../tuf/certificate-maker.ts'

const NOW = Date.UTC(2026, 10, 24)
const GUN = parseGun('docker.io/acme/central')

const pem = (): string => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}
/** A public key as docker writes it. */
const withHeader = (text: string): string => text.replace('-----\n', '-----\nrole: alice\n\n')

describe('delegations of a repository that the server signs', () => {
  let local: LocalTrust
  let world: World

  before(async () => {
    local = await openLocalTrust(NOW)
    world = worldOf(local)
    await createSignedByServer(world, GUN)
  })
  after(() => local.close())

  const add = (name: string, keys?: string[], where = world): ReturnType<typeof addDelegation.run> =>
    addDelegation.run(where, parsed(addDelegation, { gun: GUN, name, keys }), TEST_ACTOR)
  const remove = (name: string, keyIds?: string[]): ReturnType<typeof removeDelegation.run> =>
    removeDelegation.run(world, parsed(removeDelegation, { gun: GUN, name, keyIds }), TEST_ACTOR)
  /** Returns the number of keys of each delegation. */
  const delegations = (): Record<string, number> => {
    const found = currentDelegations(local.trust, GUN, local.trust.store.head(GUN), 'targets')
    return Object.fromEntries([...(found ?? [])].map(([role, { keys }]) => [role, keys.size]))
  }

  test('keys are added and removed one by one; a delegation is removed with its last key', async () => {
    const alice = await add('alice', [withHeader(pem())])
    assert.deepEqual([alice.role, alice.keyIds.length, alice.changed], ['targets/alice', 1, true])
    const shared = pem()
    await add('bob', [shared])
    await add('alice', [shared])
    assert.deepEqual(delegations(), { 'targets/alice': 2, 'targets/releases': 2, 'targets/bob': 1 })
    const [first = '', second = ''] = (await add('alice', [shared])).keyIds

    assert.deepEqual((await remove('alice', [first.slice(0, 12)])).keyIds, [second])
    assert.deepEqual(delegations(), { 'targets/alice': 1, 'targets/releases': 1, 'targets/bob': 1 })
    await remove('alice')
    // This key is also bob's.
    assert.deepEqual(delegations(), { 'targets/releases': 1, 'targets/bob': 1 })
    await assert.rejects(remove('alice'), { code: 'NOT_FOUND' })
    await assert.rejects(remove('bob', [first]), { code: 'NOT_FOUND' })
    await assert.rejects(remove('bob', [second, first]), { code: 'NOT_FOUND' })
    await assert.rejects(remove('bob', [second.slice(1)]), { code: 'NOT_FOUND' })
    assert.deepEqual((await remove('releases')).keyIds, [])
    assert.deepEqual(delegations(), { 'targets/bob': 1 })
    assert.deepEqual((await remove('bob')).keyIds, [])
    assert.deepEqual(delegations(), {})
    await assert.rejects(remove('no such/name'), { code: 'NOT_FOUND' })
  })

  test('an invalid key or reserved name is refused and changes nothing', async () => {
    const { number } = local.trust.store.tail()
    const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    const spki = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
    const tooLong = encodePem([{ label: 'PUBLIC KEY', bytes: Buffer.concat([spki, spki.subarray(-32)]) }])
    const cases: [string, string, RegExp][] = [
      ['alice', 'ssh-ed25519 AAAA', /single PEM block/],
      ['alice', secret.export({ type: 'pkcs8', format: 'pem' }).toString(), /private key/],
      ['alice', short.export({ type: 'spki', format: 'pem' }).toString(), /no client verifies/],
      ['alice', tooLong.toString(), /no client verifies/],
      ['alice', `${pem()}${pem()}`, /single PEM block/],
      [
        'alice',
        pemOf(makeCertificate({ keys: ecKeys(), names: ['alice'], ends: '2026-11-23T00:00:00Z' })),
        /has ended/,
      ],
      ['releases', pem(), /cannot be the name of a signer/],
      ['Alice', pem(), /cannot be the name of a signer/],
    ]
    for (const [name, key, message] of cases) {
      await assert.rejects(add(name, [key]), { code: 'INVALID_PARAMETERS', message }, name)
    }
    await assert.rejects(add('nobody'), { code: 'NOT_FOUND' })
    assert.equal((await add('alice', [pem()], rehearsing(world))).changed, true)
    assert.equal(local.trust.store.tail().number, number)
  })

  test("a delegation to a server's signer takes its keys, and rotation prints the next commands", async () => {
    await makeSigner.run(world, { name: 'ci' }, TEST_ACTOR)
    const { keyIds } = await add('ci')
    await renewSigner.run(world, { name: 'ci', finish: false }, TEST_ACTOR)
    const { warnings } = await renewSigner.run(world, { name: 'ci', finish: true }, TEST_ACTOR)
    assert.deepEqual(warnings, [
      `${GUN} does not have the new key: nothing can be signed there until it is added: countersign delegation add ${GUN} ci`,
      `${GUN} still trusts ${keyIds[0]}; to end that: countersign delegation remove ${GUN} ci ${keyIds[0]}`,
    ])
    assert.equal((await add('ci')).keyIds.length, 2)
    await remove('ci', [...keyIds])
    assert.equal((await add('ci')).changed, false)
    await remove('ci')
  })

  test('where the owner signs targets, only the owner can change delegations', async () => {
    const gun = parseGun('docker.io/acme/owned')
    const owner = await TrustWorld.create({
      gun,
      now: NOW,
      serverKeys: localKeys(local.trust, gun),
      snapshot: 'server',
    })
    await localPublish(local.trust, gun, owner.parts('root', 'targets'))
    const input = parsed(addDelegation, { gun, name: 'alice', keys: [pem()] })
    await assert.rejects(addDelegation.run(world, input, TEST_ACTOR), { code: 'WRONG_STATE', hint: /its owner/ })
  })
})
