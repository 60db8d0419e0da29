import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { TrustError } from '../../src/errors.ts'
import { JSON_MAX_DEPTH, JSON_MAX_MEMBERS } from '../../src/tuf/json/reader.ts'
import { parseJson } from '../../src/tuf/json/parse.ts'

const parse = (text: string | Buffer): unknown => parseJson(Buffer.from(text as string))

function refused(text: string | Buffer): string {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof TrustError)
    assert.equal(error.code, 'MALFORMED_JSON')
    return error.message
  }
  return assert.fail('accepted')
}

test('every kind of value is parsed', () => {
  const text = ' \t\r\n{"a" : [ 1 , -2 , 0 , true , false , null , "x" , { } , [ ] ] , "" : "" } \n'
  const value = parse(text)
  assert.deepEqual(JSON.parse(JSON.stringify(value)), JSON.parse(text))
})

test('escapes are parsed', () => {
  assert.equal(parse(String.raw`"\"\\\/\b\f\n\r\t\u0041\u00e9\uD83D\uDE00 \u2028x"`), '"\\/\b\f\n\r\tAé😀 \u2028x')
  assert.equal(parse(String.raw`"plain\nplain"`), 'plain\nplain')
  assert.equal(parse('"\u007f\u0080\ufffd\uffff\ufeff"'), '\u007f\u0080\ufffd\uffff\ufeff')
  // Only the time of the document itself may have none.
  const elsewhere = String.raw`{"expires":"\u0041","signed":{"targets":{"v1":{"custom":{"expires":"\u0041"}}}}}`
  assert.deepEqual(JSON.parse(JSON.stringify(parse(elsewhere))), JSON.parse(elsewhere))
})

test('millions of escapes are parsed in a heap of 64 MB', async () => {
  const module = JSON.stringify(import.meta.resolve('../../src/tuf/json/parse.ts'))
  const program = `import(${module}).then(({ parseJson }) => parseJson(Buffer.from('"' + '\\\\n'.repeat(4e6) + '"')))`
  const worker = new Worker(program, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 64 } })
  assert.deepEqual(await once(worker, 'exit'), [0])
})

test('names that are special in JavaScript are ordinary members', () => {
  const value = parseJson(Buffer.from('{"__proto__":{"x":1},"constructor":2,"toJSON":3,"10":4,"9":5}'))
  assert.ok(typeof value === 'object' && value !== null)
  assert.equal('toString' in value, false)
  assert.deepEqual(Object.keys(value).sort(), ['10', '9', '__proto__', 'constructor', 'toJSON'])
  assert.equal('x' in value, false)
})

test('the bounds of safe integers are parsed exactly', () => {
  assert.equal(parse('9007199254740991'), 2 ** 53 - 1)
  assert.equal(parse('-9007199254740991'), -(2 ** 53 - 1))
})

test('bytes in the middle of a larger buffer are parsed', () => {
  assert.deepEqual(parseJson(new Uint8Array(Buffer.from('xx[1]yy')).subarray(2, 5)), [1])
})

const REFUSED: readonly (readonly [what: string, text: string | Buffer, message: RegExp])[] = [
  ['nothing', '', /byte 0: end of input/],
  ['white space only', ' \n', /byte 2: end of input/],
  ['bytes after the value', '{} {}', /byte 3: character "\{" after top-level value/],
  ['a NUL after the value', '{}\u0000', /byte 2: character "\\u0000" after top-level value/],
  ['a byte order mark', '\ufeff{}', /byte 0: byte order mark/],
  ['a form feed as white space', '\f{}', /byte 0/],
  ['a no-break space as white space', '\u00a0{}', /byte 0/],
  ['a duplicate member', '{"a":1,"b":{},"a":1}', /byte 14: duplicate member "a"/],
  ['a duplicate member by escape', String.raw`{"signed":1,"sign\u0065d":2}`, /byte 12: duplicate member "signed"/],
  ['a duplicate member deep inside', '[[{"x":{"a":null,"a":null}}]]', /byte 17: duplicate member/],
  ['a duplicate __proto__', '{"__proto__":1,"__proto__":2}', /duplicate member "__proto__"/],
  ['a duplicate integer-like name', '{"1":1,"1":2}', /duplicate member "1"/],
  ['a fraction of zero', '1.0', /byte 0: a number that is not a plain integer/],
  ['an exponent', '[1e3]', /byte 1: a number that is not a plain integer/],
  ['an exponent in upper case', '1E3', /not a plain integer/],
  ['negative zero', '-0', /byte 0: negative zero/],
  ['a leading zero', '01', /not a plain integer/],
  ['a negative leading zero', '-01', /not a plain integer/],
  ['a bare minus', '-', /"-" without digits/],
  ['a plus', '+1', /byte 0: character "\+"/],
  ['2^53', '9007199254740992', /beyond/],
  ['-2^53', '-9007199254740992', /beyond/],
  ['2^63', '9223372036854775808', /beyond/],
  ['a thousand digits', '1'.repeat(1000), /beyond/],
  ['NaN', 'NaN', /byte 0/],
  ['a lone high surrogate', String.raw`"ab\ud800"`, /byte 0: lone surrogate/],
  ['a lone low surrogate in a name', String.raw`{"\udc00":1}`, /byte 1: lone surrogate/],
  ['surrogates in reverse order', String.raw`"\ude00\ud83d"`, /lone surrogate/],
  ['a raw line feed in a string', '"a\nb"', /byte 2: control character/],
  ['a raw control character after an escape', '"\\n\u001f"', /byte 3: control character/],
  ['an unknown escape', String.raw`"\x41"`, /byte 1: unknown escape/],
  ['an escape named like a method', String.raw`"\constructor"`, /unknown escape/],
  ['short hexadecimal digits', String.raw`"\u12"`, /four hexadecimal digits/],
  ['spaces as hexadecimal digits', String.raw`"\u 123"`, /four hexadecimal digits/],
  ['an unterminated string', '"abc', /byte 4: end of input inside a string/],
  ['an unterminated escape', '"abc\\', /byte 4: unknown escape/],
  ['an unterminated object', '{"a":1', /byte 6: end of input after a member/],
  ['an unterminated list', '[1', /byte 2: end of input after a list element/],
  ['a trailing comma in an object', '{"a":1,}', /byte 7: .*member name/],
  ['a trailing comma in a list', '[1,]', /byte 3: character "]"/],
  ['a missing colon', '{"a" 1}', /byte 5: .* after a member name/],
  ['a missing comma', '[1 2]', /byte 3: .* after a list element/],
  ['a name without quotes', '{a:1}', /byte 1: .*member name/],
  ['a comment', '/**/{}', /byte 0/],
  ['a literal in capitals', 'True', /byte 0/],
  ['a literal cut short', 'nul', /byte 0/],
  ['a literal that goes on', 'nullx', /byte 4: .* after top-level value/],
  ['an invalid byte', Buffer.from('22ff22', 'hex'), /byte 1: invalid UTF-8/],
  ['an overlong NUL', Buffer.from('2261c08022', 'hex'), /byte 2: invalid UTF-8/],
  ['a surrogate in UTF-8', Buffer.from('22eda08022', 'hex'), /byte 1: invalid UTF-8/],
  ['a truncated sequence at the end', Buffer.from('22e282', 'hex'), /byte 1: invalid UTF-8/],
  ['UTF-16', Buffer.from('{}', 'utf16le'), /byte 1/],
]

for (const [what, text, message] of REFUSED) {
  test(`refuses ${what}`, () => assert.match(refused(text), message))
}

test('errors count bytes, not characters', () => {
  assert.match(refused('{"é😀":x}'), /byte 10: character "x"/)
})

test('errors never repeat much of the input', () => {
  const name = 'n'.repeat(100_000)
  assert.ok(refused(`{"${name}":1,"${name}":2}`).length < 200)
})

const nested = (levels: number): string => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`
const list = (elements: number): string => `[${'0,'.repeat(elements - 1)}0]`

test(`${JSON_MAX_DEPTH} levels are accepted, more are refused`, () => {
  assert.ok(parse(nested(JSON_MAX_DEPTH)))
  assert.match(refused(nested(JSON_MAX_DEPTH + 2)), /nested more than/)
  assert.match(refused('['.repeat(500_000)), /nested more than/)
  assert.ok(parse(`[${'[[]],'.repeat(100)}[]]`), 'closed levels do not count')
})

test(`${JSON_MAX_MEMBERS} members and elements in total are accepted, more are refused`, () => {
  assert.ok(parse(list(JSON_MAX_MEMBERS)))
  assert.match(refused(list(JSON_MAX_MEMBERS + 1)), /more than 200000 members/)
  assert.match(refused(`[${`{"a":1},`.repeat(JSON_MAX_MEMBERS / 2)}0]`), /more than 200000 members/)
})
