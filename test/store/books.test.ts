import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Values } from '../../src/store/audit/books.ts'
import type { JournalEntry } from '../../src/store/store.ts'

const entry = (number: number, sha256: string | null): JournalEntry => ({
  number,
  previous: '',
  time: '2026-11-24T00:00:00.000Z',
  gun: 'example.org/app',
  kind: 'record',
  revision: number,
  actor: { name: 'user:alice' },
  documents: [],
  keys: [],
  records: [{ kind: 'staged-root', name: 'example.org/app', sha256 }],
  changes: [],
  head: '',
})

test('earlier values of a record are kept in time linear in its changes', () => {
  const values = new Values()
  const { user } = process.threadCpuUsage()
  for (let number = 1; number <= 30_000; number += 1) values.add(entry(number, number % 2 === 0 ? null : `${number}`))
  // Microseconds of the processor's time, which no busy machine makes longer.
  assert.ok(process.threadCpuUsage().user - user < 2_000_000, 'time grew faster than the number of changes')
  const { sha256, number, earlier } = values.value('staged-root', 'example.org/app')!
  assert.deepEqual([sha256, number, earlier.size], [null, 30_000, 15_000])
  assert.deepEqual([earlier.has('1'), earlier.has('29999'), earlier.has('2')], [true, true, false])
})
