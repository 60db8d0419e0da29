import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signaturesBy } from '../../src/cli/root/signatures.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { publishStagedRoot } from '../../src/repository/roots/publish.ts'
import { signStagedRoot, stageRoot } from '../../src/repository/roots/stage.ts'
import { describeStagedRoot } from '../../src/repository/roots/staged.ts'
import { rootPublicKey } from '../../src/signing/root-key.ts'
import { GUN, move, namesOf, NOW } from '../support/adoption.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'

const KINDS = { 'an RSA key': makeKey('rsa'), 'a P-384 key': makeKey('ecdsa', { curve: 'P-384' }) }

for (const [kind, key] of Object.entries(KINDS)) {
  test(`whose root key is ${kind} signs the root by which this server takes over`, async (t) => {
    const world = await move(t)
    const { here, owner } = world
    assert.throws(() => rootPublicKey(key.privateKey), { code: 'BAD_KEYS', hint: /root sign FILE --key KEYFILE$/ })
    const before = owner.signers.get('root')!
    const root = makeRootKey(GUN, NOW, { key })
    owner.setKeys('root', [root])
    owner.signers.set('root', [...before, root])
    await world.publish(owner.nextParts('root'))
    await world.adopt()
    const client = world.client(() => here)
    await client.update()
    await stageRoot(here.trust, GUN, TEST_ACTOR, 'taken over', (head) =>
      prepareRotation(here.trust, GUN, head, here.clock.now, ['snapshot']),
    )
    const staged = describeStagedRoot(here.trust, GUN, here.clock.now)
    assert.deepEqual(signaturesBy(makeKey('rsa').privateKey, staged), [])
    await signStagedRoot(here.trust, GUN, signaturesBy(key.privateKey, staged), TEST_ACTOR)
    assert.equal(await publishStagedRoot(here.trust, GUN, TEST_ACTOR), 3)
    assert.deepEqual(namesOf(await client.update()), ['targets v1'])
  })
}

test('a key of a kind that clients accept nowhere as a root key is refused', () => {
  const staged = { gun: GUN, payload: {}, former: undefined, own: { keys: [] } } as never
  assert.throws(() => signaturesBy(makeKey('ed25519').privateKey, staged), { code: 'BAD_KEYS' })
})
