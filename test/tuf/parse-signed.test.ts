import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalBytes, canonicalText } from '../../src/tuf/json/canonical.ts'
import type { Json, JsonObject } from '../../src/tuf/json/json.ts'
import { parseSigned } from '../../src/tuf/json/parse.ts'
import { sameJson } from '../../src/tuf/json/same.ts'

const signedOf = (value: Json): Json => (value as JsonObject)['signed'] ?? null

const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().map((value) => value + 0),
    fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 4 }),
  ),
})).value

test('bytes reported as canonical equal the canonical form', () => {
  fc.assert(
    fc.property(json, fc.boolean(), (value, indented) => {
      const text = `{"signatures":[],"signed":${JSON.stringify(value, undefined, indented ? 1 : undefined)}}`
      const { value: read, canonical } = parseSigned(Buffer.from(text))
      if (canonical !== undefined) assert.deepEqual(Buffer.from(canonical), canonicalBytes(signedOf(read)))
    }),
    { numRuns: 2_000 },
  )
})

test('canonical ASCII is always recognised as canonical', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalText(value)
      // Raw control characters are canonical but not JSON, and text beyond ASCII is never recognised.
      // oxlint-disable-next-line no-control-regex
      fc.pre(!/[^\u0020-\u007f]/.test(text))
      const { canonical } = parseSigned(Buffer.from(`{"signed":${text},"signatures":[]}`))
      assert.equal(canonical === undefined ? undefined : Buffer.from(canonical).toString(), text)
    }),
    { numRuns: 2_000 },
  )
})

test('text that differs from its canonical form is not reported as canonical', () => {
  const texts = ['{"b":1,"a":2}', '{"a":1 }', '[1, 2]', String.raw`"\u0041"`, String.raw`"\/"`, String.raw`"\n"`, '"é"']
  for (const text of texts) {
    assert.equal(parseSigned(Buffer.from(`{"signed":${text}}`)).canonical, undefined, text)
  }
  const inside = parseSigned(Buffer.from('{"x":{"signed":{}}}'))
  assert.equal(inside.canonical, undefined)
  // Nor is a value with spaces around it.
  assert.equal(parseSigned(Buffer.from('{"signed": {} }')).canonical, undefined)
})

test('sameJson agrees with the canonical form', () => {
  fc.assert(
    fc.property(json, json, (one, other) => {
      const copy = JSON.parse(JSON.stringify(one)) as Json
      assert.ok(sameJson(one, copy))
      assert.equal(sameJson(one, other), canonicalText(one) === canonicalText(other))
    }),
    { numRuns: 1_000 },
  )
  const inherited = JSON.parse('{"__proto__":{}}') as JsonObject
  assert.equal(sameJson(inherited, {}), false)
  assert.equal(sameJson([], {}), false)
  assert.equal(sameJson({ a: 1 }, { b: 1 }), false)
})
