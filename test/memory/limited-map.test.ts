import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LimitedMap } from '../../src/memory/limited-map.ts'

test('the oldest entry goes first; setting a key again makes it the newest', () => {
  const map = new LimitedMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  map.set('c', 4)
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => map.get(key)),
    [3, undefined, 4],
  )
})

test('the map never exceeds its limit, and keeps all that fits', () => {
  const limit = 20
  const step = fc.tuple(fc.constantFrom('set', 'set', 'set', 'delete'), fc.nat({ max: 6 }), fc.nat({ max: 15 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new LimitedMap<number, number>(limit, (weight) => weight)
      let expected: [number, number][] = []
      for (const [what, key, weight] of steps) {
        expected = expected.filter(([other]) => other !== key)
        if (what === 'delete') map.delete(key)
        else {
          map.set(key, weight)
          if (weight <= limit / 2) expected.push([key, weight])
          while (expected.reduce((sum, [, each]) => sum + each, 0) > limit) expected.shift()
        }
        const kept = new Map(expected)
        for (let each = 0; each <= 6; each += 1) assert.equal(map.get(each), kept.get(each))
      }
    }),
  )
})
