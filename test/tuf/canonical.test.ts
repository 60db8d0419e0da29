import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { canonicalBytes, canonicalText } from '../../src/tuf/json/canonical.ts'
import type { Json } from '../../src/tuf/json/json.ts'
import { parseJson } from '../../src/tuf/json/parse.ts'

interface Vector {
  readonly input?: string
  readonly inputBase64?: string
  readonly canonical?: string
  readonly error?: string
  readonly stage?: 'parse' | 'encode'
  readonly note: string
}

const file = new URL('../vectors/canonical-vectors.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vector[]

const bytesOf = ({ input, inputBase64 }: Vector): Buffer =>
  inputBase64 === undefined ? Buffer.from(input ?? '') : Buffer.from(inputBase64, 'base64')

/** Decodes as Go does: each byte of an invalid sequence becomes one U+FFFD. */
function goDecode(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const size = [1, 2, 3, 4].find((length) => {
      const piece = bytes.subarray(at, at + length)
      return piece.length === length && Buffer.from(piece.toString()).equals(piece)
    })
    text += size === undefined ? '\ufffd' : bytes.subarray(at, at + size).toString()
    at += size ?? 1
  }
  return text
}

function canonicalOf(input: string): string {
  return canonicalBytes(JSON.parse(input) as Json).toString()
}

test('all vectors are loaded', () => assert.equal(vectors.length, 261))

for (const [index, vector] of vectors.entries()) {
  const { canonical, note } = vector
  const input = goDecode(bytesOf(vector))
  test(`vector ${index}: ${note}`, () => {
    if (canonical === undefined) assert.throws(() => canonicalOf(input))
    else assert.equal(canonicalOf(input), canonical)
  })
  test(`vector ${index} parsed strictly: ${note}`, () => {
    let value: Json
    try {
      value = parseJson(bytesOf(vector))
    } catch (error) {
      assert.ok(error instanceof TrustError)
      return
    }
    assert.notEqual(canonical, undefined, 'accepted what Go refuses')
    assert.equal(canonicalText(value), canonical)
    assert.deepEqual(JSON.parse(JSON.stringify(value)), JSON.parse(input))
  })
}

test('the strict parser accepts more than 100 of the vectors', () => {
  const accepted = vectors.filter((vector) => {
    try {
      parseJson(bytesOf(vector))
      return true
    } catch {
      return false
    }
  })
  // A parser that refuses everything would pass the test above.
  assert.ok(accepted.length > 100, `${accepted.length} accepted`)
})

test('canonicalBytes refuses values that JSON does not have', () => {
  for (const value of [undefined, 1n, Symbol('x'), (): void => undefined, Number.NaN, Infinity, -Infinity, 0.5]) {
    assert.throws(() => canonicalBytes([value] as never), { name: 'TrustError', code: 'MALFORMED_JSON' })
    assert.throws(() => canonicalBytes({ member: value } as never), { name: 'TrustError', code: 'MALFORMED_JSON' })
  }
})

test('names are sorted by code point, not UTF-16; of two that become equal the last wins', () => {
  assert.equal(canonicalText({ '😀': 1, '\uffee': 2, z: 3 }), '{"z":3,"\uffee":2,"😀":1}')
  assert.equal(canonicalText({ '\udc00': 1, a: 2, '\ud800': 3 }), '{"a":2,"\ufffd":3}')
})
