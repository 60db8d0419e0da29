import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalBytes, canonicalText } from '../../src/tuf/json/canonical.ts'
import { encodeMetadata } from '../../src/tuf/encode.ts'
import type { Json, JsonObject } from '../../src/tuf/json/json.ts'
import { parseJson } from '../../src/tuf/json/parse.ts'

const text = fc.string({ unit: 'binary' })
// oxlint-disable-next-line no-control-regex
const printable = text.filter((value) => !/[\u0000-\u001f]/.test(value))

function documents(strings: fc.Arbitrary<string>): fc.Arbitrary<Json> {
  return fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger(),
      strings,
      fc.array(tie('value')),
      fc.dictionary(strings, tie('value')),
    ),
  })).value
}

const objects = (strings: fc.Arbitrary<string>): fc.Arbitrary<JsonObject> => fc.dictionary(strings, documents(strings))

test('parsing a canonical form and canonicalizing it again gives the same text', () => {
  fc.assert(
    fc.property(documents(printable), (value) => {
      const bytes = canonicalBytes(value)
      assert.deepEqual(canonicalBytes(parseJson(bytes)), bytes)
    }),
  )
})

test('the order of members, white space and escapes of a file do not change the canonical form', () => {
  const property = fc.property(objects(text), fc.infiniteStream(fc.nat()), (value, chance) => {
    const shuffled = shuffle(value, chance)
    const escaped = JSON.stringify(shuffled, null, 1).replace(/[^ -~\n]/g, (unit) => {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
    assert.equal(canonicalText(parseJson(Buffer.from(escaped))), canonicalText(value))
  })
  fc.assert(property)
})

test('a written file is parsed to the payload that was signed', () => {
  fc.assert(
    fc.property(objects(text), printable, (signed, method) => {
      const signatures = [{ keyid: 'ab', method, sig: 'AA==' }]
      const file = parseJson(encodeMetadata(signed, signatures))
      assert.equal(canonicalText(file), canonicalText({ signatures, signed }))
    }),
  )
})

test('a file has no byte that Go would have escaped', () => {
  fc.assert(
    fc.property(objects(text), (signed) => {
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(encodeMetadata(signed, []).toString(), /[\u0000-\u001f<>&\u2028\u2029]/)
    }),
  )
})

test('members are ordered by their UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.uniqueArray(text), (names) => {
      const expected = names.map((name) => Buffer.from(name)).sort((a, b) => Buffer.compare(a, b))
      const object = Object.fromEntries(names.map((name) => [name, null]))
      const written =
        Object.keys(object).length === 0 ? '{}' : `{${expected.map((name) => `${quoted(name)}:null`).join(',')}}`
      assert.equal(canonicalText(object), written)
    }),
  )
})

test('integers of any size are written as the double’s exact digits, or as the least int64', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: false }), (value) => {
      const whole = Math.trunc(value)
      const expected = Math.abs(whole) < 2 ** 63 ? BigInt(whole).toString() : '-9223372036854775808'
      assert.equal(canonicalText(whole), expected)
      if (whole !== value) assert.throws(() => canonicalText(value), { code: 'MALFORMED_JSON' })
    }),
  )
})

function quoted(name: Buffer): string {
  return `"${name.toString().replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** Returns the same value with its members in another order. */
function shuffle(value: Json, chance: Iterator<number>): Json {
  if (Array.isArray(value)) return value.map((item) => shuffle(item, chance))
  if (typeof value !== 'object' || value === null) return value
  const order = Object.entries(value).map(([name, item]) => ({ name, item, rank: Number(chance.next().value) }))
  order.sort((a, b) => a.rank - b.rank)
  const members = order.map(({ name, item }): [string, Json] => [name, shuffle(item, chance)])
  return Object.fromEntries(members)
}
