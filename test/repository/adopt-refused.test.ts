import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ForeignDocument } from '../../src/repository/adoption/offer.ts'
import { remove } from '../../src/repository/remove.ts'
import { planRotation } from '../../src/repository/roots/rotation-plan.ts'
import type { Role } from '../../src/tuf/role.ts'
import { TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { signedFile, timeText } from '../support/metadata-file.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import {
  adoptOn,
  clientOf,
  DAY,
  GUN,
  importTimestampKey,
  type Made,
  made,
  namesOf,
  NOW,
  publishOn,
  server,
  sha256Of,
} from '../support/adoption.ts'

test('the root that the admin expects must be among the offered roots', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  nextRoot()
  owner.rotateRoot(NOW)
  const all = documents()
  await assert.rejects(adoptOn(here, all, 'f'.repeat(64)), /none of the roots/)
  assert.equal(here.trust.store.head(GUN), undefined)
  await adoptOn(here, all, sha256Of(roots[0]!.bytes))
  await adoptOn(here, all.toReversed(), here.trust.store.head(GUN)!.roles['root']!.sha256)
})

test('a GUN outside gunPrefixes is not adopted, and no key is imported for it', async (t) => {
  const { trust, ...rest } = await server(t)
  const here = { ...rest, trust: { ...trust, policy: { ...trust.policy, gunPrefixes: ['docker.io/other/'] } } }
  const { documents, timestampKey } = await made()
  await assert.rejects(adoptOn(here, documents()), { code: 'INVALID_GUN' })
  await assert.rejects(importTimestampKey(here, timestampKey), { code: 'INVALID_GUN' })
})

test('long expired roots still lead to the current one; older ones may be missing and be added later', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  const old = makeRootKey(GUN, NOW - 4000 * DAY, { notAfter: NOW - 300 * DAY })
  owner.setKeys('root', [old])
  owner.root.expires = timeText(NOW - 300 * DAY)
  nextRoot()
  owner.root.expires = timeText(NOW + 300 * DAY)
  owner.rotateRoot(NOW)
  nextRoot()
  nextRoot()
  const all = documents()
  const { roots: found, warnings } = await adoptOn(
    here,
    all.filter(({ bytes }) => bytes !== roots[0]!.bytes && bytes !== roots[1]!.bytes),
  )
  assert.deepEqual(found, { first: 3, last: 4 })
  assert.match(warnings.at(-1)!, /older than version 2 cached/)
  const { cachedRoots = [] } = (await planRotation(here.trust, GUN, ['snapshot'], NOW)) ?? {}
  assert.deepEqual(
    cachedRoots.filter(({ follows }) => !follows),
    [{ version: 1, follows: false, why: 'version 2 is not stored; those whose root key is still in force do' }],
  )
  assert.deepEqual((await here.check()).findings, [])
  assert.deepEqual((await adoptOn(here, all)).roots, { first: 1, last: 4 })
  assert.ok(here.trust.store.document(GUN, 'root', { version: 1 }))
  assert.deepEqual((await here.check()).findings, [])
})

test('older roots that conflict with the stored ones are refused, in a rehearsal too', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  const other = owner.fork()
  other.root.expires = timeText(NOW + 300 * DAY)
  nextRoot()
  await adoptOn(here, documents())
  roots[0] = { role: 'root', bytes: other.sign('root') }
  owner.targets.version += 1
  const rehearsal = { ...here.trust, store: { ...here.trust.store, commit: async () => 0 } }
  const offered = documents()
  for (const trust of [rehearsal, here.trust]) {
    await assert.rejects(adoptOn({ ...here, trust }, offered), {
      code: 'VERSION',
      message: `root version 1 of ${GUN} is already here, with different content`,
      hint: /^another repository of this name is here. .* countersign repo delete \S+, then adopt again$/,
    })
  }
})

test('a newer root must be signed by the stored one, even when it alone is offered', async (t) => {
  const here = await server(t)
  const { owner, documents } = await made()
  await adoptOn(here, documents())
  owner.root.version += 1
  owner.targets.version += 1
  const old = owner.signers.get('root')!
  const fresh = makeRootKey(GUN, NOW)
  owner.setKeys('root', [fresh])
  await assert.rejects(adoptOn(here, documents()), { code: 'INVALID_UPDATE', message: /could not rotate trust/ })
  owner.signers.set('root', [...old, fresh])
  assert.deepEqual((await adoptOn(here, documents())).roots, { first: 1, last: 2 })
})

test('newer roots that leave a gap after the stored ones are refused with a hint', async (t) => {
  const here = await server(t)
  const { owner, documents, nextRoot, roots } = await made()
  await adoptOn(here, documents())
  nextRoot()
  let newest: ForeignDocument[] = []
  for (let missing = 1; missing <= 2; missing += 1) {
    nextRoot()
    owner.targets.version += 1
    newest = documents().filter((each) => !roots.includes(each))
    await assert.rejects(adoptOn(here, newest), {
      code: 'INVALID_UPDATE',
      message: /^root version 2 is missing/,
      hint: /countersign repo delete docker\.io\/acme\/app/,
    })
  }
  await remove(here.trust, GUN, TEST_ACTOR)
  assert.deepEqual((await adoptOn(here, newest)).roots, { first: 4, last: 4 })
  assert.deepEqual((await here.check()).findings, [])
})

test('metadata that clients would refuse is refused, and nothing is stored', async (t) => {
  const here = await server(t)
  const refused = async (
    what: string,
    spoil: (world: Made) => void | ForeignDocument[],
    reason: RegExp,
  ): Promise<void> => {
    const world = await made()
    const documents = spoil(world) ?? world.documents()
    await assert.rejects(adoptOn(here, documents), { code: 'INVALID_UPDATE', message: reason }, what)
    assert.equal(here.trust.store.head(GUN), undefined, what)
  }
  const replace = (documents: ForeignDocument[], role: Role, bytes: Uint8Array): ForeignDocument[] =>
    documents.map((each) => (each.role === role ? { role, bytes } : each))
  await refused(
    'no timestamp',
    ({ documents }) => documents().filter(({ role }) => role !== 'timestamp'),
    /timestamp is missing/,
  )
  await refused('twice', ({ documents }) => [...documents(), ...documents()], /comes twice/)
  await refused(
    'an older version beside the current one',
    ({ documents, owner }) => {
      const older = { role: 'targets' as const, bytes: owner.sign('targets') }
      owner.targets.version += 1
      return [older, ...documents()]
    },
    /targets comes twice/,
  )
  await refused(
    'an older root that clients cannot read',
    ({ owner, nextRoot }) => {
      const { snapshot } = owner.root.roles
      snapshot!.threshold = 2
      nextRoot()
      snapshot!.threshold = 1
    },
    /threshold 2 of snapshot is above its number of keys/,
  )
  await refused(
    'two roots of one version',
    ({ documents, owner }) => [...documents(), { role: 'root', bytes: owner.sign('root') }],
    /root comes twice/,
  )
  await refused(
    'a delegation that clients cannot read, though nobody delegates to it now',
    ({ owner }) => {
      owner.delegate('targets/releases', [makeKey('ecdsa')])
      owner.addTarget('bad', 'targets/releases', { hashes: {}, length: 1 })
      owner.targets.delegations.roles = []
    },
    /neither a sha256 nor a sha512/,
  )
  await refused(
    'other targets',
    ({ documents, owner }) => {
      const all = documents()
      owner.addTarget('evil')
      return replace(all, 'targets', owner.sign('targets'))
    },
    /targets/,
  )
  await refused(
    'targets by a stranger',
    ({ owner }) => void owner.signers.set('targets', [makeKey('ecdsa')]),
    /threshold for targets/,
  )
  await refused(
    'a snapshot by a stranger',
    ({ owner }) => void owner.signers.set('snapshot', [makeKey('ecdsa')]),
    /threshold for snapshot/,
  )
  await refused(
    'a timestamp by a stranger',
    ({ documents }) => {
      const all = documents()
      const { signed } = JSON.parse(String(all.at(-1)!.bytes)) as { signed: object }
      return replace(all, 'timestamp', signedFile(signed, [makeKey('ed25519')]))
    },
    /threshold for timestamp/,
  )
  await refused(
    'a timestamp that says it is a snapshot',
    ({ documents, timestampKey }) => {
      const all = documents()
      const { signed } = JSON.parse(String(all.at(-1)!.bytes)) as { signed: object }
      return replace(all, 'timestamp', signedFile({ ...signed, _type: 'Snapshot' }, [timestampKey]))
    },
    /timestamp type metadata invalid/,
  )
  await refused(
    'another timestamp’s snapshot',
    ({ documents, owner }) => {
      const all = documents()
      return replace(all, 'snapshot', owner.signSnapshot())
    },
    /snapshot/,
  )
  await refused(
    'a root that the one before did not sign',
    ({ owner, nextRoot }) => {
      nextRoot()
      owner.setKeys('root', [makeRootKey(GUN, NOW)])
    },
    /could not rotate trust/,
  )
  await refused(
    'a gap among roots',
    (world) => {
      for (let count = 0; count < 3; count += 1) world.nextRoot()
      world.roots.splice(1, 1)
    },
    /root version 2 is missing/,
  )
  await refused(
    'a root of another repository',
    ({ owner }) => owner.setKeys('root', [makeRootKey('docker.io/acme/other', NOW)]),
    /valid leaf certificates/,
  )
  await refused(
    'certificates that have ended',
    ({ owner }) => {
      owner.setKeys('root', [makeRootKey(GUN, NOW - 400 * DAY, { notAfter: NOW - DAY })])
    },
    /root certificates have expired: clients refuse this repository, wherever it is/,
  )
  await refused(
    'certificates that are not valid yet',
    ({ owner }) => {
      owner.setKeys('root', [makeRootKey(GUN, NOW, { notBefore: NOW + 5 * DAY })])
    },
    /certificates are not valid before 2026-12-02T08:00:00Z: clients refuse this repository until then, wherever it is/,
  )
  await refused(
    'a delegation that the snapshot does not name',
    (world) => {
      const all = world.documents()
      world.owner.delegate('targets/releases', [makeKey('ecdsa')])
      world.owner.delegations.get('targets/releases')!.version = 1
      return [...all, { role: 'targets/releases', bytes: world.owner.sign('targets/releases') }]
    },
    /does not name targets\/releases/,
  )
  await refused('a version out of all reason', ({ owner }) => void (owner.root.version = 2 ** 31 - 2), /above 10000/)
  // This server's next version would be above what clients accept.
  await refused(
    'another role’s version at the end of all numbers',
    ({ documents, timestampKey }) => {
      const all = documents()
      const { signed } = JSON.parse(String(all.at(-1)!.bytes)) as { signed: object }
      return replace(all, 'timestamp', signedFile({ ...signed, version: 2 ** 31 - 2 }, [timestampKey]))
    },
    /timestamp version 2147483646 is above/,
  )
})

test('a delegation cannot be rolled back by an adoption that omits it in between', async (t) => {
  const here = await server(t)
  const { owner, documents, roots } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  const releases = owner.delegations.get('targets/releases')!
  const adoptWith = async (version: number | undefined): Promise<void> => {
    if (version === undefined) owner.delegations.delete('targets/releases')
    else owner.delegations.set('targets/releases', { ...releases, version })
    owner.files.delete('targets/releases')
    const all = documents()
    await adoptOn(here, all)
    // The next offer carries this root and the next one.
    roots.push(all.findLast(({ role }) => role === 'root')!)
    owner.root.version += 1
    owner.targets.version += 1
  }
  await adoptWith(5)
  await adoptWith(undefined)
  await assert.rejects(adoptWith(3), { code: 'VERSION', message: /targets\/releases version 5/ })
  await adoptWith(6)
})

test('a delegation that is older here than the offered snapshot says is given up if it is not offered', async (t) => {
  const here = await server(t)
  const { owner, documents, roots } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  const all = documents()
  await adoptOn(here, all)
  roots.push(all.find(({ role }) => role === 'root')!)
  owner.root.version += 1
  owner.targets.version += 1
  owner.delegations.get('targets/releases')!.version += 1
  // As from the cache of a client that skipped it.
  const offered = documents().filter(({ role }) => role !== 'targets/releases')
  const { warnings } = await adoptOn(here, offered)
  assert.match(warnings.join(), /the snapshot names targets\/releases, which is not there/)
  assert.equal(here.trust.store.head(GUN)?.roles['targets/releases'], undefined)
})

test('a delegation that no parent names any more is adopted as long as the snapshot lists it', async (t) => {
  const here = await server(t)
  const { owner, documents } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.addTarget('v2', 'targets/releases')
  owner.targets.delegations.roles = []
  const { warnings } = await adoptOn(here, documents())
  assert.deepEqual(warnings, [])
  assert.deepEqual(Object.keys(here.trust.store.head(GUN)!.roles).toSorted(), [
    'root',
    'snapshot',
    'targets',
    'targets/releases',
    'timestamp',
  ])
})

/** Adopts a repository whose snapshot names a missing delegation to which nobody delegates any more. */
async function withLeftOver(t: TestContext): Promise<{ here: LocalTrust; owner: Made['owner'] }> {
  const here = await server(t)
  const { owner, documents, timestampKey } = await made()
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  owner.targets.delegations.roles = []
  await importTimestampKey(here, timestampKey)
  await adoptOn(
    here,
    documents().filter(({ role }) => role !== 'targets/releases'),
  )
  return { here, owner }
}

test('an adopted snapshot may name a missing delegation; the next server-made snapshot omits it', async (t) => {
  const { here, owner } = await withLeftOver(t)
  assert.deepEqual((await here.check()).findings, [])
  owner.files.delete('targets/releases')
  owner.addTarget('v2')
  await publishOn(here, owner.nextParts('targets'))
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1', 'targets v2'])
  assert.deepEqual((await here.check()).findings, [])
})

test('a publisher’s snapshot may keep naming that missing delegation, but no other', async (t) => {
  const { here, owner } = await withLeftOver(t)
  owner.addTarget('v2')
  await publishOn(here, owner.nextParts('targets'))
  assert.deepEqual(namesOf(await clientOf(here).update()), ['targets v1', 'targets v2'])
  assert.deepEqual((await here.check()).findings, [])
  const never = { code: 'INVALID_UPDATE', message: /which was never uploaded/ }
  const other = owner.fork()
  other.files.set('targets/other', other.files.get('targets/releases')!)
  await assert.rejects(publishOn(here, other.nextParts('targets')), never)
  // Once it is delegated again, clients ask for it.
  owner.delegate('targets/releases', [makeKey('ecdsa')])
  await assert.rejects(publishOn(here, owner.nextParts('targets')), never)
})
