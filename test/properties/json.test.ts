import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TrustError } from '../../src/errors.ts'
import type { Json } from '../../src/tuf/json/json.ts'
import { parseJson } from '../../src/tuf/json/parse.ts'

/** Returns the value, or undefined if it was refused; any other error is a bug. */
function attempt(bytes: Uint8Array): { value: Json } | undefined {
  try {
    return { value: parseJson(bytes) }
  } catch (error) {
    assert.ok(error instanceof TrustError, String(error))
    assert.equal(error.code, 'MALFORMED_JSON')
    return undefined
  }
}

/** Values that the parser must accept: safe integers, well-formed strings, few levels. */
const document = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value')),
    fc.dictionary(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '1')),
      tie('value'),
    ),
  ),
})).value

test('arbitrary bytes are parsed or refused, never a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void attempt(bytes)),
    { numRuns: 2_000 },
  )
})

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\\',
  '\\u',
  'd800',
  '"a"',
  '1',
  '-',
  '0',
  '.',
  'e',
  'true',
  'null',
  ' ',
  '\u0000',
  'é',
]

test('arbitrary pieces of JSON are refused or parsed as JSON.parse does', () => {
  const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 24 }).map((pieces) => pieces.join(''))
  const property = fc.property(text, (input) => {
    const result = attempt(Buffer.from(input))
    if (result !== undefined) assert.deepEqual(plain(result.value), JSON.parse(input))
  })
  fc.assert(property, { numRuns: 5_000 })
})

test('whatever the parser must accept is parsed as JSON.parse does', () => {
  fc.assert(
    fc.property(document, fc.constantFrom(undefined, 2, '\t\r\n '), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      assert.deepEqual(plain(attempt(Buffer.from(text))?.value), JSON.parse(text))
    }),
  )
})

test('a document with changed, removed or repeated bytes is parsed or refused, never a crash', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.constantFrom('set', 'remove', 'repeat') })
  const property = fc.property(document, fc.array(change, { minLength: 1, maxLength: 4 }), (value, changes) => {
    let bytes = Buffer.from(JSON.stringify(value))
    for (const { at, byte, kind } of changes) {
      const place = at % (bytes.length + 1)
      const rest = bytes.subarray(kind === 'repeat' ? place : place + 1)
      const middle = kind === 'set' ? Buffer.from([byte]) : bytes.subarray(place, kind === 'repeat' ? place + 1 : place)
      bytes = Buffer.concat([bytes.subarray(0, place), middle, rest])
    }
    const result = attempt(bytes)
    if (result !== undefined) assert.deepEqual(plain(result.value), JSON.parse(bytes.toString()))
  })
  fc.assert(property, { numRuns: 1_000 })
})

test('a repeated member is refused at any depth and however its name is escaped', () => {
  const name = fc.string({ unit: 'grapheme-ascii', minLength: 1 })
  const levels = fc.array(fc.constantFrom('list', 'object'), { maxLength: 10 })
  const property = fc.property(name, levels, fc.boolean(), fc.array(name), (twice, nesting, escape, others) => {
    const between = [...new Set(others)]
      .filter((other) => other !== twice)
      .map((other) => `,${JSON.stringify(other)}:1`)
    const again = escape ? escaped(twice) : JSON.stringify(twice)
    let text = `{${JSON.stringify(twice)}:1${between.join('')},${again}:1}`
    for (const kind of nesting) text = kind === 'list' ? `[0,${text}]` : `{"outer":${text}}`
    assert.equal(attempt(Buffer.from(text)), undefined)
  })
  fc.assert(property)
})

/** Returns the same value with ordinary objects. */
function plain(value: Json | undefined): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

/** Writes the name with escapes only. */
function escaped(name: string): string {
  return `"${name.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
}
