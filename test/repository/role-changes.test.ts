import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoleChange } from '../../src/store/changes.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { localKeys, localPublish, localTrustFor } from '../support/local-trust.ts'
import { keyIdOf, makeKey } from '../support/test-key.ts'
import { TrustWorld } from '../support/trust-world.ts'

const NOW = Date.UTC(2026, 10, 24)
const GUN = parseGun('docker.io/acme/app')
const RELEASES = 'targets/releases'

test('the journal records each change of a role’s keys, threshold and paths, at any depth, and nothing else', async (t) => {
  const local = await localTrustFor(t, NOW)
  const { trust } = local
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(trust, GUN) })
  const [one, two] = [makeKey('ecdsa'), makeKey('rsa')]
  /** The role changes of the newest entry; undefined if it has none. */
  const told = (): readonly RoleChange[] | undefined => {
    const [entry] = trust.store.journal({ gun: GUN, before: Infinity })
    return entry?.roles
  }
  const publish = async (...roles: string[]): Promise<readonly RoleChange[] | undefined> => {
    await localPublish(trust, GUN, owner.nextParts(...roles))
    return told()
  }

  await localPublish(trust, GUN, owner.parts('root', 'targets'))
  // Root keys are recorded by the id that people know, beside the certificate's.
  const [rootKey] = owner.signers.get('root') ?? []
  const bare = rootKey?.publicKey.export({ format: 'der', type: 'spki' }).toString('base64') ?? ''
  const key = keyIdOf({ keytype: 'ecdsa', keyval: { private: null, public: bare } })
  const certified = { certified: [{ certificate: rootKey?.id, key }] }
  assert.deepEqual(
    told()?.toSorted((a, b) => (a.role < b.role ? -1 : 1)),
    ['root', 'snapshot', 'targets', 'timestamp'].map((role) => {
      const keys = { added: owner.root.roles[role]?.keyids, removed: [], threshold: 1 }
      return { role, ...keys, ...(role === 'root' ? certified : {}) }
    }),
  )
  owner.addTarget('v2')
  assert.equal(await publish('targets'), undefined)

  const all = { removed: [], paths: [''] }
  owner.delegate(RELEASES, [one])
  assert.deepEqual(await publish('targets'), [{ role: RELEASES, added: [one.id], threshold: 1, ...all }])
  owner.delegate(RELEASES, [two, one], { threshold: 2 })
  assert.deepEqual(await publish('targets'), [{ role: RELEASES, added: [two.id], threshold: 2, ...all }])
  owner.delegate(RELEASES, [two, one])
  assert.deepEqual(await publish('targets'), [{ role: RELEASES, added: [], threshold: 1, ...all }])
  for (const paths of [['in/'], ['in/', 'out/'], ['']]) {
    owner.delegate(RELEASES, [one, two], { paths })
    assert.deepEqual(await publish('targets'), [{ role: RELEASES, added: [], removed: [], threshold: 1, paths }])
  }
  assert.equal(await publish(RELEASES), undefined)
  owner.delegate(`${RELEASES}/below`, [two])
  assert.deepEqual(await publish(RELEASES), [{ role: `${RELEASES}/below`, added: [two.id], threshold: 1, ...all }])
  owner.delegate(RELEASES, [one])
  assert.deepEqual(await publish('targets'), [{ role: RELEASES, ...all, added: [], removed: [two.id], threshold: 1 }])
  owner.targets.delegations.roles = []
  assert.deepEqual(await publish('targets'), [{ role: RELEASES, added: [], removed: [one.id], threshold: null }])

  const [old] = owner.root.roles['snapshot']!.keyids
  const next = makeKey('ecdsa')
  owner.setKeys('snapshot', [next])
  assert.deepEqual(await publish('root'), [{ role: 'snapshot', added: [next.id], removed: [old], threshold: 1 }])
  assert.deepEqual((await local.check()).findings, [])
})
