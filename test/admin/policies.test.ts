import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsed, type World } from '../../src/admin/operation.ts'
import { setPolicy } from '../../src/admin/policies.ts'
import { removeTag, signTag } from '../../src/admin/tags.ts'
import type { LevelStore } from '../../src/store/level.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { A, B, base64, GUN, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'

test('a tag that the owner has signed is one that is there: docker looks into targets/releases first', async (t) => {
  const world = await withSigner(t)
  const { owner, send, here } = world
  owner.addTarget('v1', 'targets', { ...fileMeta(Buffer.from('')), hashes: { sha256: base64(A) } })
  await send(owner.nextParts('targets'))
  const place: World = worldOf({ trust: here.trust, store: here.trust.store as LevelStore })
  const rules = [{ guns: GUN, tags: '*', move: false }]
  await setPolicy.run(place, parsed(setPolicy, { subject: 'signer:ci', rules }), TEST_ACTOR)
  const sign = (tag: string, hex: string): ReturnType<typeof signTag.run> =>
    signTag.run(place, parsed(signTag, { gun: GUN, tag, digest: `sha256:${hex}`, size: 7, as: 'ci' }), TEST_ACTOR)
  const moved = { code: 'POLICY', message: /does not let v1 be moved/ }
  await assert.rejects(sign('v1', B), moved)
  assert.equal((await sign('v1', A)).changed, true)
  await assert.rejects(sign('v1', B), moved)
  assert.equal((await sign('v2', B)).changed, true)
  const takeAway = parsed(removeTag, { gun: GUN, tag: 'v1', as: 'ci' })
  await assert.rejects(removeTag.run(place, takeAway, TEST_ACTOR), moved)
})
