import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import type { JsonObject } from '../../src/tuf/json.ts'
import { parseMetadata, type Metadata } from '../../src/tuf/metadata.ts'
import { targetChanges } from '../../src/tuf/target-changes.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', '1', '2', '__proto__', 'constructor', 'toString')
const targets = fc.array(fc.tuple(name, fc.nat({ max: 2 })), { maxLength: 12 })

const byName = (one: string, other: string): number => (one < other ? -1 : Number(one > other))

/** Members in the order in which they come, as any publisher may write them. */
function documentOf(entries: readonly (readonly [string, number])[]): Metadata {
  const members = [...new Map(entries)].map(([tag, length]) => `${JSON.stringify(tag)}:{"length":${length}}`)
  const signed = `{"_type":"Targets","expires":"2026-11-26T00:00:00Z","targets":{${members.join(',')}},"version":1}`
  return parseMetadata('targets', Buffer.from(`{"signed":${signed},"signatures":[]}`))
}

test('whatever the order of names, exactly what differs is found, each name once', () => {
  fc.assert(
    fc.property(targets, targets, (old, now) => {
      const [before, after] = [new Map<string, number>(old), new Map<string, number>(now)]
      const expected = [...new Set([...before.keys(), ...after.keys()])].filter(
        (tag) => before.get(tag) !== after.get(tag),
      )
      const found = targetChanges(documentOf(now), documentOf(old))
      assert.deepEqual(found.map((change) => change.name).toSorted(byName), expected.toSorted(byName))
      for (const { name: tag, from, to } of found) {
        assert.equal((from as JsonObject | undefined)?.['length'], before.get(tag))
        assert.equal((to as JsonObject | undefined)?.['length'], after.get(tag))
      }
    }),
  )
})

test('against nothing everything is new; against another document it is compared anew', () => {
  const after = documentOf([['a', 1]])
  assert.equal(targetChanges(after, undefined).length, 1)
  assert.equal(targetChanges(after, documentOf([['a', 1]])).length, 0)
  assert.equal(targetChanges(after, documentOf([['a', 2]])).length, 1)
})

test('a document is let go of when two newer ones have been compared, however long its role goes on', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const first = new WeakRef(documentOf([['a', 1]]))
  let newest = first.deref()!
  for (let length = 2; length < 5; length += 1) {
    const next = documentOf([['a', length]])
    assert.equal(targetChanges(next, newest).length, 1)
    newest = next
  }
  // What was dereferenced lives to the end of the turn.
  await setImmediate()
  collect()
  assert.equal(first.deref(), undefined)
  assert.equal(targetChanges(newest, undefined).length, 1)
})
