import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import type { JsonObject } from '../../src/tuf/json/json.ts'
import { parseMetadata, type Metadata } from '../../src/tuf/metadata.ts'
import { targetChanges } from '../../src/tuf/target-changes.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', '1', '2', '__proto__', 'constructor', 'toString')
const targets = fc.array(fc.tuple(name, fc.nat({ max: 2 })), { maxLength: 12 })

const byName = (one: { name: string }, other: { name: string }): number => (one.name < other.name ? -1 : 1)

/** Keeps the members in the given order, as a publisher may write them in any. */
function documentOf(entries: readonly (readonly [string, number])[], earlier?: Metadata): Metadata {
  const members = [...new Map(entries)].map(([tag, length]) => `${JSON.stringify(tag)}:{"length":${length}}`)
  const signed = `{"_type":"Targets","expires":"2026-11-26T00:00:00Z","targets":{${members.join(',')}},"version":1}`
  return parseMetadata('targets', Buffer.from(`{"signed":${signed},"signatures":[]}`), earlier)
}

function expectedChanges(old: readonly (readonly [string, number])[], now: readonly (readonly [string, number])[]) {
  const [before, after] = [new Map(old), new Map(now)]
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((tag) => before.get(tag) !== after.get(tag))
    .map((tag) => ({ name: tag, from: before.get(tag), to: after.get(tag) }))
    .toSorted(byName)
}

function foundChanges(before: Metadata, after: Metadata) {
  const lengthOf = (entry: unknown): unknown => (entry as JsonObject | undefined)?.['length']
  return targetChanges(after, before)
    .map(({ name: tag, from, to }) => ({ name: tag, from: lengthOf(from), to: lengthOf(to) }))
    .toSorted(byName)
}

test('each changed name is found once, whatever the order of names', () => {
  fc.assert(
    fc.property(targets, targets, (old, now) => {
      assert.deepEqual(foundChanges(documentOf(old), documentOf(now)), expectedChanges(old, now))
    }),
  )
})

test('the same changes are found when each version was parsed with reuse of the one before', () => {
  const tags = Array.from({ length: 12 }, (_, index): [string, number] => [`t${index + 10}`, 0])
  const edit = fc.record({ at: fc.nat({ max: 14 }), how: fc.constantFrom('set', 'drop', 'add', 'last'), to: fc.nat(3) })
  let followed = 0
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      let [list, before] = [tags, documentOf(tags)]
      for (const { at, how, to } of edits) {
        const next = list.filter((_, index) => how !== 'drop' || index !== at)
        if (how === 'set' && at < next.length) next[at] = [next[at]?.[0] ?? '', to]
        if (how === 'add' && !next.some(([tag]) => tag === `t${at}`)) next.splice(at, 0, [`t${at}`, to])
        if (how === 'last' && at < next.length) next.push(...next.splice(at, 1))
        const after = documentOf(next, before)
        assert.deepEqual(foundChanges(before, after), expectedChanges(list, next))
        if (after.read?.base === before.read?.base) followed += 1
        list = next
        before = after
      }
    }),
    { numRuns: 500 },
  )
  assert.ok(followed > 500)
})

test('an entry removed is found even if it was not written in canonical form', () => {
  const loose = Buffer.from(documentOf([['a', 1]]).bytes)
    .toString()
    .replace('"targets":{', '"targets":{"A": {"length":1},')
  const before = parseMetadata('targets', Buffer.from(loose))
  assert.deepEqual(foundChanges(before, documentOf([['a', 1]], before)), [{ name: 'A', from: 1, to: undefined }])
})

test('against no document everything is new; against an unrelated one all entries are compared', () => {
  const after = documentOf([['a', 1]])
  assert.equal(targetChanges(after, undefined).length, 1)
  assert.equal(targetChanges(after, documentOf([['a', 1]])).length, 0)
  assert.equal(targetChanges(after, documentOf([['a', 2]])).length, 1)
})

test('a document can be collected after two newer ones have been compared', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const first = new WeakRef(documentOf([['a', 1]]))
  let newest = first.deref()!
  for (let length = 2; length < 5; length += 1) {
    const next = documentOf([['a', length]])
    assert.equal(targetChanges(next, newest).length, 1)
    newest = next
  }
  // WeakRef targets live until the end of the turn.
  await setImmediate()
  collect()
  assert.equal(first.deref(), undefined)
  assert.equal(targetChanges(newest, undefined).length, 1)
})
