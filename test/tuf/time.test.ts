import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTime, goTime, parseTime } from '../../src/tuf/time.ts'

const READ: readonly (readonly [text: string, sameAs: string])[] = [
  ['2026-11-22T06:19:01Z', '2026-11-22T06:19:01.000Z'],
  ['2029-11-22T01:46:35.5-05:00', '2029-11-22T06:46:35.500Z'],
  ['2026-11-22T06:19:01+09:00', '2026-11-21T21:19:01.000Z'],
  ['2026-11-22T06:19:01+00:00', '2026-11-22T06:19:01.000Z'],
  ['2026-11-22T06:19:01-00:00', '2026-11-22T06:19:01.000Z'],
  ['2026-11-22T06:19:01+23:59', '2026-11-21T06:20:01.000Z'],
  ['2026-11-22T06:19:01,5Z', '2026-11-22T06:19:01.500Z'],
  ['2026-11-22T6:19:01Z', '2026-11-22T06:19:01.000Z'],
  ['2026-11-22T06:19:01.00000000000000000000Z', '2026-11-22T06:19:01.000Z'],
  ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
  ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['0050-12-31T00:00:00Z', '0050-12-31T00:00:00.000Z'],
  ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
]

for (const [text, sameAs] of READ) {
  test(`reads ${text}`, () => assert.equal(parseTime(text), Date.parse(sameAs)))
}

test('fractions of a millisecond are kept', () => {
  const whole = Date.parse('2026-11-22T06:19:01.123Z')
  const fraction = parseTime('2026-11-22T06:19:01.123456789Z') - whole
  assert.ok(Math.abs(fraction - 0.456789) < 0.001, String(fraction))
})

const REFUSED: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['a date only', '2026-11-22'],
  ['a lower-case t', '2026-11-22t06:19:01Z'],
  ['a lower-case z', '2026-11-22T06:19:01z'],
  ['a blank for the T', '2026-11-22 06:19:01Z'],
  ['no zone', '2026-11-22T06:19:01'],
  ['second 60', '2026-11-22T06:19:60Z'],
  ['minute 60', '2026-11-22T06:60:01Z'],
  ['hour 24', '2026-11-22T24:00:00Z'],
  ['one-digit minutes', '2026-11-22T06:9:01Z'],
  ['a year above 9999', '10000-01-01T00:00:00Z'],
  ['a signed year', '+02026-01-01T00:00:00Z'],
  ['month 13', '2026-13-01T00:00:00Z'],
  ['month 0', '2026-00-01T00:00:00Z'],
  ['day 0', '2026-01-00T00:00:00Z'],
  ['30 February', '2024-02-30T00:00:00Z'],
  ['29 February in no leap year', '2026-02-29T00:00:00Z'],
  ['29 February of 1900', '1900-02-29T00:00:00Z'],
  ['31 April', '2026-04-31T00:00:00Z'],
  ['a point without digits', '2026-11-22T06:19:01.Z'],
  ['an offset without colon', '2026-11-22T06:19:01+0900'],
  ['an offset of 24 hours', '2026-11-22T06:19:01+24:00'],
  ['an offset of 60 minutes', '2026-11-22T06:19:01+00:60'],
  ['trailing white space', '2026-11-22T06:19:01Z '],
  ['a trailing line feed', '2026-11-22T06:19:01Z\n'],
  ['digits of another script', '２０２６-11-22T06:19:01Z'],
  ['an endless fraction', `2026-11-22T06:19:01.${'0'.repeat(100_000)}Z`],
]

for (const [what, text] of REFUSED) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parseTime(text), { name: 'TrustError', code: 'MALFORMED_JSON' })
    assert.throws(() => goTime(text), { name: 'TrustError', code: 'MALFORMED_JSON' })
  })
}

test('times are written without trailing zeros in the fraction', () => {
  assert.equal(formatTime(Date.parse('2026-11-22T06:19:01.000Z')), '2026-11-22T06:19:01Z')
  assert.equal(formatTime(Date.parse('2026-11-22T06:19:00.120Z')), '2026-11-22T06:19:00.12Z')
  assert.equal(formatTime(Date.parse('2026-11-22T06:19:10.001Z')), '2026-11-22T06:19:10.001Z')
  assert.equal(formatTime(Date.parse('2026-11-20T00:00:00.100Z')), '2026-11-20T00:00:00.1Z')
  assert.throws(() => formatTime(Date.parse('+010000-01-01T00:00:00Z')), RangeError)
})

test('times are written in the form of Go’s messages', () => {
  assert.equal(goTime('2026-11-22T06:19:01.99Z'), 'Sun Nov 22 06:19:01 UTC 2026')
  assert.equal(goTime('2026-11-02T06:19:01+00:00'), 'Mon Nov 2 06:19:01 UTC 2026')
  assert.equal(goTime('2029-11-22T01:46:35.85946599-05:00'), 'Thu Nov 22 01:46:35 -0500 2029')
  assert.equal(goTime('2026-11-22T06:19:01+05:30'), 'Sun Nov 22 06:19:01 +0530 2026')
})
