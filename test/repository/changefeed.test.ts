import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changefeed } from '../../src/repository/changefeed.ts'
import { auditStore } from '../../src/store/audit/audit.ts'
import type { JournalEntry, JournalQuery } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, documentOf, newStore } from '../support/test-store.ts'

/** Records and change_id → the numbers that the Go server answers for seven changes (wire spec §10). */
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

test('records and change_id select changes as in the Go server, always oldest first', async (t) => {
  const store = await newStore(t)
  for (let round = 0; round < 7; round += 1) {
    await store.commit(commitOf('a', round, [documentOf('timestamp', round + 1, `${round}`)]))
  }
  for (const [records, changeId, expected] of SELECTIONS) {
    const numbers = (await changefeed(store, { records, changeId })).map(({ ID }) => Number(ID))
    assert.deepEqual(numbers, expected, `records=${records} change_id=${changeId}`)
  }
})

test('the changefeed has a record per timestamp and per delete, none for keys, and survives a delete', async (t) => {
  const store = await newStore(t)
  const timestamp = documentOf('timestamp', 1, 'timestamp')
  await store.commit(commitOf('a', 0, [], { kind: 'key' }))
  await store.commit(commitOf('a', 1, [documentOf('root', 1, 'root'), timestamp]))
  await store.commit(commitOf('b', 0, [documentOf('timestamp', 1, 'other')]))
  const highest = { root: 1, timestamp: 1 }
  await store.commit(commitOf('a', 2, [], { kind: 'delete', head: { roles: {}, highest, renewAt: null } }))
  const CreatedAt = '2026-11-24T08:00:00.000Z'
  const GUN = 'a'
  assert.deepEqual(await changefeed(store, { gun: parseGun('a'), records: 10, changeId: 0 }), [
    { ID: '2', CreatedAt, GUN, Version: 1, SHA256: timestamp.sha256, Category: 'update' },
    { ID: '4', CreatedAt, GUN, Version: 0, SHA256: '', Category: 'deletion' },
  ])
  assert.deepEqual(
    (await changefeed(store, { records: 10, changeId: 0 })).map(({ GUN: gun }) => gun),
    ['a', 'b', 'a'],
  )
  assert.deepEqual(await changefeed(store, { gun: parseGun('nobody'), records: 10, changeId: 0 }), [])
})

test('an answer has at most ten thousand records, forward and backward', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf('a', 0, [documentOf('timestamp', 1, 'timestamp')]))
  function* journal(query?: JournalQuery): IterableIterator<JournalEntry> {
    const [entry] = store.journal(query)
    for (let count = 0; entry !== undefined && count < 10_001; count += 1) yield entry
  }
  for (const records of [2_147_483_647, -2_147_483_648]) {
    assert.equal((await changefeed({ ...store, journal }, { records, changeId: 0 })).length, 10_000)
  }
})

test('the changefeed and the audit let requests have their turn while they read a long journal', async (t) => {
  const store = await newStore(t)
  const guns = Array.from({ length: 50 }, (_, index) => `long/r${index}`)
  await Promise.all(guns.map((gun) => store.commit(commitOf(gun, 0, [], { kind: 'key' }))))
  let inThisTurn = 0
  let atOnce = 0
  const turn = (): void => {
    inThisTurn = 0
    waiting = setImmediate(turn)
  }
  let waiting = setImmediate(turn)
  t.after(() => clearImmediate(waiting))
  // Entries that list thousands of tags.
  function* slow(entries: Iterable<JournalEntry>): IterableIterator<JournalEntry> {
    for (const entry of entries) {
      for (const began = performance.now(); performance.now() - began < 2;);
      atOnce = Math.max(atOnce, (inThisTurn += 1))
      yield entry
    }
  }
  await changefeed({ ...store, journal: (query) => slow(store.journal(query)) }, { records: 10, changeId: 0 })
  assert.ok(atOnce > 0 && atOnce < 5, `the changefeed read ${atOnce} slow entries at once`)
  inThisTurn = atOnce = 0
  const snapshot = await store.snapshot()
  const reader = { ...snapshot.reader, journal: (query?: JournalQuery) => slow(snapshot.reader.journal(query)) }
  await auditStore({ ...snapshot, reader }, ({ text }) => assert.fail(text))
  await snapshot.close()
  assert.ok(atOnce > 0 && atOnce < 5, `the audit read ${atOnce} slow entries at once`)
})
