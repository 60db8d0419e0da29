import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalText } from '../../src/tuf/json/canonical.ts'
import { encodeMetadata } from '../../src/tuf/encode.ts'
import type { JsonObject } from '../../src/tuf/json/json.ts'
import { parseJson } from '../../src/tuf/json/parse.ts'

/** A timestamp that the Go server made and served. */
const GO_TIMESTAMP =
  '{"signed":{"_type":"Timestamp","expires":"2026-12-07T06:15:05.836704928Z","meta":{"snapshot":{"hashes":{"sha256":"5EqxeabXjvXbco9Ck9ddM6SAOu7s/3+CUWF4iWhKics=","sha512":"mhg8pChSJwvp5/0JAWQrMDb7hOG3Ey3VmxhdL9Jx3bn6Cu4K631Bewr2QODsxSbWP682QlQCCWm3DR2NO3J0tA=="},"length":683}},"version":1},"signatures":[{"keyid":"2e94068d3dfaece377776d715cf02f90faa81554ac003ac556c8e7f14aae28f9","method":"eddsa","sig":"U6SGnFDLD7EUp4xDvC2q013Psx5cstA1dyPG+G5JefPRQooJniQBaUj2hHc5Uo6gaJ0oTyjcewa1FTXcRy5tAw=="}]}'

function parsed(bytes: Uint8Array): { signed: JsonObject; signatures: never } {
  return parseJson(bytes) as never
}

test('a file is written byte for byte as the Go server writes it', () => {
  const { signed, signatures } = parsed(Buffer.from(GO_TIMESTAMP))
  assert.equal(encodeMetadata(signed, signatures).toString(), GO_TIMESTAMP)
})

test('members are sorted; signature members are written in a fixed order', () => {
  const bytes = encodeMetadata({ version: 1, _type: 'Root' }, [{ sig: 'AA==', method: 'ecdsa', keyid: 'ab' }])
  assert.equal(
    bytes.toString(),
    '{"signed":{"_type":"Root","version":1},"signatures":[{"keyid":"ab","method":"ecdsa","sig":"AA=="}]}',
  )
})

test('an empty list of signatures is written', () => {
  assert.equal(encodeMetadata({}, []).toString(), '{"signed":{},"signatures":[]}')
})

test('a file has Go’s escapes, which the signature does not cover (wire spec §11.1)', () => {
  const signed = { targets: { 'v2/<&>\u2028é': '\u2029"\\' } }
  const bytes = encodeMetadata(signed, [])
  const name = String.raw`v2/\u003c\u0026\u003e\u2028é`
  assert.equal(bytes.toString(), `{"signed":{"targets":{"${name}":"${String.raw`\u2029\"\\`}"}},"signatures":[]}`)
  assert.equal(canonicalText(parsed(bytes).signed), canonicalText(signed))
})

test('control characters are escaped so that the file stays readable', () => {
  const signed = { 'a\u0000\n': '\u001f\t' }
  const bytes = encodeMetadata(signed, [])
  assert.equal(bytes.toString(), String.raw`{"signed":{"a\u0000\u000a":"\u001f\u0009"},"signatures":[]}`)
  assert.deepEqual({ ...parsed(bytes).signed }, signed)
})
