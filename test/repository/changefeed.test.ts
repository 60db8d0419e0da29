import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changefeed } from '../../src/repository/changefeed.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, documentOf, newStore } from '../support/test-store.ts'

/** Records and change_id → the numbers that the Go server answers, with seven changes (wire spec §10). */
const SELECTIONS: readonly (readonly [records: number, changeId: number, expected: number[]])[] = [
  [2, 0, [1, 2]],
  [2, 2, [3, 4]],
  [-2, 4, [2, 3]],
  [2, -1, [6, 7]],
  [-2, 0, [6, 7]],
  [0, 0, [1, 2, 3, 4, 5, 6, 7]],
  [100, 7, []],
  [5, 100, []],
  [-3, 1, []],
  [-100, -5, [1, 2, 3, 4, 5, 6, 7]],
]

test('selection by records and change_id, always oldest first', async (t) => {
  const store = await newStore(t)
  for (let round = 0; round < 7; round += 1) {
    await store.commit(commitOf('a', round, [documentOf('timestamp', round + 1, `${round}`)]))
  }
  for (const [records, changeId, expected] of SELECTIONS) {
    const numbers = changefeed(store, { records, changeId }).map(({ ID }) => Number(ID))
    assert.deepEqual(numbers, expected, `records=${records} change_id=${changeId}`)
  }
})

test('one record a timestamp, one a delete, none for keys; of one repository or all; survives a delete', async (t) => {
  const store = await newStore(t)
  const timestamp = documentOf('timestamp', 1, 'timestamp')
  await store.commit(commitOf('a', 0, [], { kind: 'key' }))
  await store.commit(commitOf('a', 1, [documentOf('root', 1, 'root'), timestamp]))
  await store.commit(commitOf('b', 0, [documentOf('timestamp', 1, 'other')]))
  const highest = { root: 1, timestamp: 1 }
  await store.commit(commitOf('a', 2, [], { kind: 'delete', head: { roles: {}, highest, renewAt: null } }))
  const CreatedAt = '2026-11-24T08:00:00.000Z'
  const GUN = 'a'
  assert.deepEqual(changefeed(store, { gun: parseGun('a'), records: 10, changeId: 0 }), [
    { ID: '2', CreatedAt, GUN, Version: 1, SHA256: timestamp.sha256, Category: 'update' },
    { ID: '4', CreatedAt, GUN, Version: 0, SHA256: '', Category: 'deletion' },
  ])
  assert.deepEqual(
    changefeed(store, { records: 10, changeId: 0 }).map(({ GUN: gun }) => gun),
    ['a', 'b', 'a'],
  )
  assert.deepEqual(changefeed(store, { gun: parseGun('nobody'), records: 10, changeId: 0 }), [])
})
