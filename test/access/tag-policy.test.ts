import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'node:test'
import { refusalOf, type TagRule } from '../../src/access/tag-policy.ts'
import { parseGun } from '../../src/tuf/gun.ts'

const NOW = Date.UTC(2026, 10, 24)
const MINUTE = 60_000
const GUN = parseGun('docker.io/acme/app')
const ANY: TagRule = { guns: '*', tags: '*', move: true, checkedWithinMinutes: null }

const rule = (more: Partial<TagRule>): TagRule => ({ ...ANY, ...more })
const allowed = (
  rules: readonly TagRule[],
  more: { tag?: string; moves?: boolean; checkedAt?: number } = {},
): boolean => refusalOf(rules, { gun: GUN, tag: 'v1', moves: false, checkedAt: undefined, ...more }, NOW) === undefined

test('a star in a rule matches any characters or none, and all else matches itself', () => {
  const piece = fc.constantFrom('a', 'b', '.')
  const pattern = fc.array(fc.oneof(piece, fc.constant('*')), { minLength: 1, maxLength: 5 })
  const tag = fc.array(piece, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(pattern, tag, (pieces, letters) => {
      const [tags, text] = [pieces.join(''), letters.join('')]
      const same = new RegExp(`^${tags.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(text)
      assert.equal(allowed([rule({ tags })], { tag: text }), same, `${tags} ${text}`)
    }),
    // Both ends of this pattern must not match the same letter.
    { numRuns: 1_000, examples: [[['a', '*', 'a'], ['a']]] },
  )
})

test('a single rule must allow the whole change; rules for other repositories or tags allow nothing', () => {
  assert.equal(allowed([rule({ guns: 'docker.io/acme/other' })]), false)
  assert.equal(allowed([rule({ guns: 'docker.io/acme/*' })]), true)
  const moves = { moves: true }
  const [stay, move] = [rule({ tags: 'v*', move: false }), rule({ tags: 'latest' })]
  assert.equal(allowed([stay, move]), true)
  assert.equal(allowed([stay, move], moves), false)
  assert.equal(allowed([stay, move], { ...moves, tag: 'latest' }), true)
  const seen = rule({ tags: 'v*', checkedWithinMinutes: 10 })
  assert.equal(allowed([stay, seen]), true)
  assert.equal(allowed([stay, seen], moves), false, 'the rule that allows moving requires a check')
})

test('a check counts if it is recent enough, and not further ahead than clocks may differ', () => {
  const rules = [rule({ checkedWithinMinutes: 10 })]
  for (const [minutes, expected] of [
    [10, true],
    [10.1, false],
    [0, true],
    [-1, true],
    [-1.1, false],
    [-60 * 24, false],
  ] as const) {
    assert.equal(allowed(rules, { checkedAt: NOW - minutes * MINUTE }), expected, `${minutes} minutes ago`)
  }
  assert.equal(allowed(rules), false)
})
