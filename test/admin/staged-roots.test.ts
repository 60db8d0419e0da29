import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listStagedRoots } from '../../src/admin/roots.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'

test('a root that is published while those that wait are listed is none of them', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const { trust } = world
  // As an iterator gives it that was opened before the commit.
  const names = async function* (): AsyncGenerator<{ kind: 'staged-root'; name: string; value: object }> {
    yield { kind: 'staged-root', name: 'example.org/published', value: {} }
  }
  const meanwhile = { ...world, trust: { ...trust, store: { ...trust.store, records: names } } }
  assert.deepEqual(await listStagedRoots.run(meanwhile, { pattern: '*' }, { name: 'local' }), [])
})
