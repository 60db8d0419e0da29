import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change } from '../../src/repository/change.ts'
import { loadCurrent } from '../../src/repository/current.ts'
import { putBack } from '../../src/repository/put-back.ts'
import { proposeHeads } from '../../src/repository/rebuild-head.ts'
import { remove } from '../../src/repository/remove.ts'
import { rotateKey } from '../../src/repository/server-key.ts'
import { renewDue } from '../../src/repository/renewal/loop.ts'
import { readTrustData } from '../../src/registry/trust-data.ts'
import { encodeHead } from '../../src/store/encoding.ts'
import { documentKey } from '../../src/store/keyspace.ts'
import type { Role } from '../../src/tuf/role.ts'
import { adoptOn, clientOf, DAY, fileOf, GUN, move, publishOn, server, takeOver } from '../support/adoption.ts'
import { localKeys, TEST_ACTOR, type LocalTrust } from '../support/local-trust.ts'
import { makeKey } from '../support/test-key.ts'
import { spoil } from '../support/test-store.ts'
import { TrustWorld } from '../support/trust-world.ts'

/** Asserts that one of the proposed heads equals the stored one byte for byte. */
function mustBeProposed({ trust: { store } }: LocalTrust, after: string): void {
  const head = store.head(GUN)
  assert.ok(head !== undefined)
  const bytesOf = (role: Role, sha256: string): Uint8Array | undefined => store.document(GUN, role, { sha256 })?.bytes
  const proposed = [
    ...proposeHeads([...store.journal({ gun: GUN })], bytesOf, head.renewAt === null ? [] : [head.renewAt]),
  ]
  const wanted = encodeHead(head).toString()
  assert.ok(
    proposed.some((each) => encodeHead(each).toString() === wanted),
    `${after}: ${wanted}`,
  )
}

for (const snapshot of ['server', 'client'] as const) {
  test(`the head of a repository whose ${snapshot} makes the snapshot can be rebuilt at each point of its life`, async (t) => {
    const here = await server(t)
    const options = { gun: GUN, now: here.clock.now, serverKeys: localKeys(here.trust, GUN), snapshot }
    const owner = await TrustWorld.create(options)
    mustBeProposed(here, 'a key, and nothing published')
    await publishOn(here, owner.parts('root', 'targets'))
    mustBeProposed(here, 'a first publish')
    for (const name of ['targets/b', 'targets/a', 'targets/b/c']) {
      owner.delegate(name, [makeKey('ecdsa')])
      const parent = name.slice(0, name.lastIndexOf('/'))
      await publishOn(here, owner.nextParts(parent, name))
      mustBeProposed(here, `${name} in`)
    }
    owner.targets.delegations.roles = owner.targets.delegations.roles.filter(({ name }) => name !== 'targets/b')
    for (const name of ['targets/b', 'targets/b/c']) {
      owner.delegations.delete(name)
      owner.files.delete(name)
    }
    await publishOn(here, owner.nextParts('targets'))
    mustBeProposed(here, 'targets/b out')
    for (const role of [
      'targets',
      'root',
      'targets/a',
      ...(snapshot === 'client' ? ['snapshot' as const] : []),
    ] as const) {
      await change(here.trust, GUN, async (head, now) => {
        const damaged = [loadCurrent(here.trust, GUN, head, role)!]
        return putBack(here.trust, GUN, head!, now, damaged, TEST_ACTOR)
      })
      mustBeProposed(here, `${role} put back`)
    }
    owner.delegate('targets/b', [makeKey('ecdsa')])
    if (snapshot === 'client') {
      await publishOn(here, owner.nextParts('targets'))
      mustBeProposed(here, 'targets/b delegated again, and not signed')
    }
    here.clock.now += 8 * DAY
    assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
    mustBeProposed(here, 'a renewal')
    await rotateKey(here.trust, GUN, 'timestamp', TEST_ACTOR)
    mustBeProposed(here, 'a key that waits')
    await remove(here.trust, GUN, TEST_ACTOR)
    mustBeProposed(here, 'a delete')
    await publishOn(here, (await TrustWorld.create({ ...options, now: here.clock.now })).parts('root', 'targets'))
    mustBeProposed(here, 'another life')
  })
}

test('the head of an adopted repository can be rebuilt after each adoption and after the takeover', async (t) => {
  const moved = await move(t)
  const { here, there, owner, publish, wait } = moved
  const source = {
    name: 'there',
    async document(role: Role, which?: { sha256: string } | { version: number }): Promise<Buffer | undefined> {
      const file =
        which === undefined ? role : 'version' in which ? `${which.version}.${role}` : `${role}.${which.sha256}`
      const { status, body } = await fileOf(there.trust, `${file}.json`)
      return status === 200 ? body : undefined
    },
  }
  const adopt = async (after: string): Promise<void> => {
    await adoptOn(here, await readTrustData(source, GUN))
    mustBeProposed(here, after)
  }
  await adopt('adoption')
  owner.delegate('targets/b', [makeKey('ecdsa')])
  await publish(owner.nextParts('targets', 'targets/b'))
  await adopt('adoption of a delegation')
  owner.delegate('targets/a', [makeKey('ecdsa')])
  await publish(owner.nextParts('targets', 'targets/a'))
  wait(8 * DAY)
  await renewDue(there.trust)
  await adopt('adoption of another delegation')
  owner.rotateRoot(here.clock.now)
  await publish(owner.nextParts('root'))
  await adopt('adoption of another root')
  wait(8 * DAY)
  await renewDue(there.trust)
  await adopt('adoption of a timestamp alone')
  for (const [role, { sha256 }] of Object.entries(here.trust.store.head(GUN)!.roles)) {
    await spoil(here, documentKey(GUN, role, sha256))
    await adopt(`${role} put back`)
  }
  await takeOver(moved)
  mustBeProposed(here, 'its first root of this server')
  wait(8 * DAY)
  assert.deepEqual(await renewDue(here.trust), { renewed: 1, failed: 0 })
  mustBeProposed(here, 'a renewal')
  assert.ok((await clientOf(here).update()).targets.length > 0)
})

test('the head is rebuilt for an adoption after an own life whose snapshots had higher versions', async (t) => {
  const { here, offer } = await move(t)
  const before = await TrustWorld.create({
    gun: GUN,
    now: here.clock.now,
    serverKeys: localKeys(here.trust, GUN),
    snapshot: 'server',
  })
  await publishOn(here, before.parts('root', 'targets'))
  await publishOn(here, before.nextParts('targets'))
  await remove(here.trust, GUN, TEST_ACTOR)
  await adoptOn(here, offer())
  mustBeProposed(here, 'adoption')
})
