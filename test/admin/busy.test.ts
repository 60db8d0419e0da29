import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addUser, listUsers } from '../../src/admin/users.ts'
import { worldOf } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'

test('too many concurrent changes of users are refused in part, without mention of a repository', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const world = worldOf(server.running)
  const names = Array.from({ length: 40 }, (_, index) => `user${index}`)
  const added = await Promise.allSettled(
    names.map((name) => addUser.run(world, { name, grants: [] }, { name: 'local' })),
  )
  const refused = added.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))
  assert.ok(refused.length > 0)
  assert.deepEqual([...new Set(refused)], ['TrustError: too many updates are waiting'])
  const made = (await listUsers.run(world, {}, { name: 'local' })).length
  assert.equal(made + refused.length, names.length)
})
