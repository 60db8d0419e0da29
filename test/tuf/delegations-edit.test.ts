import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withDelegate, withoutDelegate } from '../../src/tuf/delegations-edit.ts'
import { keyId } from '../../src/tuf/keys/key.ts'
import { makeKey } from '../support/test-key.ts'

const { entry } = makeKey('ecdsa')
const key = { keytype: entry.keytype, public: entry.keyval.public }
const id = keyId(key)
const made = {
  keys: { [id]: { keytype: 'ecdsa', keyval: { private: null, public: key.public } } },
  roles: ['targets/alice', 'targets/releases'].map((name) => ({ keyids: [id], name, paths: [''], threshold: 1 })),
}

test('delegates are added as docker adds them, and no empty delegation is left behind', () => {
  // Go’s forms of an empty list; further down, what it leaves when a key was purged.
  for (const empty of [{ keys: {}, roles: [] }, { keys: null, roles: null }, {}]) {
    assert.deepEqual(withDelegate(empty, 'targets/alice', [key, { ...key }]), made)
  }
  const purged = { name: 'targets/releases', keyids: null, paths: ['v'], threshold: 2 }
  const { roles } = withDelegate({ keys: {}, roles: [purged] }, 'targets/alice', [key]) ?? {}
  assert.deepEqual(roles, [{ ...purged, keyids: [id] }, made.roles[0]])
  assert.equal(withDelegate(made, 'targets/alice', [key]), undefined)
  assert.deepEqual(withoutDelegate(made, 'targets/alice', [id]), { keys: {}, roles: [] })
  assert.deepEqual(withoutDelegate({ roles: [{ ...purged, name: 'targets/alice' }] }, 'targets/alice', []), {
    keys: {},
    roles: [],
  })
  assert.equal(withoutDelegate(made, 'targets/bob', [id]), undefined)
})
