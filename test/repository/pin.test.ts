import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { pinOf } from '../../src/repository/roots/pin.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localKeys, localPublish, localTrustFor } from '../support/local-trust.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const YEAR = 365 * 86_400_000
const GUN = parseGun('example.org/pinned')

test('a pin has the root as it is served, and the root keys that clients accept now', async (t) => {
  const { trust, clock } = await localTrustFor(t, NOW)
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN) })
  const lasting = makeRootKey(GUN, NOW, { key: makeKey('rsa') })
  const soon = makeRootKey(GUN, NOW, { notAfter: NOW + YEAR })
  owner.setKeys('root', [lasting, soon])
  await localPublish(trust, GUN, owner.parts('root', 'targets', 'snapshot'))

  const { root, keys, ...rest } = pinOf(trust, GUN, NOW)
  assert.deepEqual(rest, { gun: GUN, version: 1, threshold: 1 })
  assert.deepEqual(Buffer.from(root), Buffer.from(trust.store.document(GUN, 'root', { version: 1 })!.bytes))
  assert.deepEqual(new Set(keys.map(({ certificateId }) => certificateId)), new Set([lasting.id, soon.id]))

  clock.now = NOW + 2 * YEAR
  const [left, ...others] = pinOf(trust, GUN, clock.now).keys
  assert.deepEqual(others, [])
  const { publicKey } = new X509Certificate(Buffer.from(lasting.entry.keyval.public, 'base64'))
  assert.equal(left?.publicKey, publicKey.export({ type: 'spki', format: 'pem' }))
  assert.deepEqual(
    [left.certificateId, left.keytype, left.certificateEnds],
    [lasting.id, 'rsa', new Date(NOW + 10 * YEAR).toISOString()],
  )
})

test('nothing is pinned of a repository that clients refuse, or that is not there', async (t) => {
  const { trust } = await localTrustFor(t, NOW)
  assert.throws(() => pinOf(trust, GUN, NOW), { code: 'NOT_FOUND', message: /there is no repository/ })
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN) })
  await localPublish(trust, GUN, owner.parts('root', 'targets', 'snapshot'))
  assert.throws(() => pinOf(trust, GUN, NOW + 11 * YEAR), {
    code: 'WRONG_STATE',
    message: /root certificates have expired/,
  })
})
