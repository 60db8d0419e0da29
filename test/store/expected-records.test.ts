import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpectedRecords } from '../../src/store/audit/expected-records.ts'

test('each of many keys is removed once, whatever was added and removed before', () => {
  const expected = new ExpectedRecords()
  const keys = Array.from({ length: 20_000 }, (_, number) => Buffer.from(`key ${number}`))
  for (const key of keys) expected.add(key)
  for (const key of keys.slice(0, 10)) expected.add(key)
  assert.equal(expected.left, keys.length)
  assert.ok(!expected.remove(Buffer.from('another')))
  for (const key of keys.slice(100)) assert.ok(expected.remove(key))
  for (const key of keys.slice(100)) assert.ok(!expected.remove(key), 'removed twice')
  assert.equal(expected.left, 100)
  // The table grows, with removed keys in it.
  for (let number = 0; number < 20_000; number += 1) expected.add(Buffer.from(`later ${number}`))
  assert.ok(!expected.remove(keys[100]!))
  for (const key of keys.slice(0, 100)) assert.ok(expected.remove(key))
  assert.equal(expected.left, 20_000)
})
