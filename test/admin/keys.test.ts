import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listKeys } from '../../src/admin/keys.ts'
import { encodeReference } from '../../src/signing/pkcs11/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { openLocalTrust, TEST_ACTOR } from '../support/local-trust.ts'
import { worldOf } from '../support/people.ts'

test('the list says where each key of a repository is kept', async (t) => {
  const here = await openLocalTrust(Date.parse('2026-11-29T12:00:00Z'))
  t.after(() => here.close())
  const { trust, clock } = here
  const gun = parseGun('example.org/app')
  const { now: createdAt } = clock
  const sealed = await trust.signer.create(gun, 'timestamp')
  const moved = { ...(await trust.signer.create(gun, 'timestamp')), sealed: encodeReference({ token: '1', id: '00' }) }
  await trust.store.commit({
    gun,
    expected: 0,
    time: createdAt,
    kind: 'key',
    actor: TEST_ACTOR,
    head: { roles: {}, highest: {}, renewAt: null },
    documents: [],
    keys: [sealed, moved].map((key) => ({ ...key, role: 'timestamp' as const, pending: true, createdAt })),
  })
  const world = worldOf({ trust })
  const listed = await listKeys.run(world, { gun }, TEST_ACTOR)
  assert.deepEqual(
    listed.map(({ keyId, custody }) => [keyId, custody]),
    [
      [sealed.keyId, 'file'],
      [moved.keyId, 'pkcs11'],
    ],
  )
})
