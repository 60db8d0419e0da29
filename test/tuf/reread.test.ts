import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseSigned, type ParsedSigned } from '../../src/tuf/json/parse.ts'

const name = fc.constantFrom('"a"', '"b"', '"b1"', '"c"', '"d"', '"\\u0061"', '"__proto__"', '"é"', '""')
const value = fc.constantFrom(
  '1',
  '12',
  '1.5',
  '{"x":1}',
  '{"x":1,"y":[2]}',
  '{"y":2,"x":1}',
  '{ "x":1}',
  '"s"',
  '"\\u0073"',
  '[]',
)
const space = fc.constantFrom('', '', '', ' ')
const member = fc.tuple(space, name, space, value, space).map(([a, n, b, v, c]) => `${a}${n}:${b}${v}${c}`)
const ordered = fc
  .uniqueArray(fc.tuple(fc.nat({ max: 20 }), value), { selector: ([number]) => number })
  .map((list) =>
    list
      .toSorted(([one], [other]) => one - other)
      .map(([number, text]) => `"n${String(number).padStart(2, '0')}":${text}`),
  )
const members = fc.oneof(ordered, fc.array(member, { maxLength: 8 }))

const bytesOf = (list: readonly string[]): Buffer => Buffer.from(`{"signed":{"targets":{${list.join(',')}}}}`)

/** Returns the parsed value, or the reason for its refusal. */
function said(bytes: Buffer, earlier?: ParsedSigned): object {
  try {
    const { value: read, canonical } = parseSigned(bytes, earlier?.targets)
    return { read, canonical }
  } catch (error) {
    return { refused: (error as Error).message }
  }
}

function parsed(bytes: Buffer): ParsedSigned | undefined {
  try {
    return parseSigned(bytes)
  } catch {
    return undefined
  }
}

test('reusing an earlier parse never changes the result', () => {
  let known = 0
  fc.assert(
    fc.property(members, members, fc.boolean(), (first, second, extended) => {
      const before = parsed(bytesOf(first))
      // A next version keeps most of the members.
      const after = bytesOf(extended ? [...first, ...second] : second)
      assert.deepEqual(said(after, before), said(after))
      known += before?.targets.base.length ?? 0
    }),
    { numRuns: 2_000 },
  )
  assert.ok(known > 1_000)
})

test('an unchanged entry is the same object; one that only begins alike is not', () => {
  const one = parseSigned(bytesOf(['"a":{"x":1}', '"b":1', '"c":{"x":2}']))
  const other = parseSigned(bytesOf(['"a":{"x":1}', '"aa":{}', '"b":12', '"c":{"x":2}']), one.targets)
  const [old, now] = [one, other].map(({ value: read }) => (read as unknown as Document).signed.targets)
  assert.equal(now?.['a'], old?.['a'])
  assert.equal(now?.['c'], old?.['c'])
  assert.equal(now?.['b'], 12)
})

test('reused entries count towards the member limit', () => {
  const list = Array.from({ length: 100 }, (_, index) => `"n${index + 100}":[${'0,'.repeat(1_990)}0]`)
  const before = parseSigned(bytesOf(list))
  const after = bytesOf([...list, `"z":[${'0,'.repeat(998)}0]`])
  for (const earlier of [undefined, before]) {
    assert.throws(() => parseSigned(after, earlier?.targets), /more than 200000 members/)
  }
})

test('versions share the base that was parsed in full until too much differs', () => {
  const list = Array.from({ length: 20 }, (_, index) => `"n${index + 10}":{"x":${index}}`)
  const whole = parseSigned(bytesOf(list))
  let newest = whole
  for (let version = 0; version < 5; version += 1) {
    newest = parseSigned(bytesOf(list.with(version, `"n${version + 10}":{"x":100}`)), newest.targets)
    assert.equal(newest.targets.base, whole.targets.base)
    assert.deepEqual(newest.targets.differing, [`n${version + 10}`])
  }
  const fewer = parseSigned(bytesOf(list.toSpliced(3, 1)), whole.targets).targets
  assert.deepEqual([fewer.differing.toSorted(), fewer.followed], [['n13', 'n14'], true])
  const changed = list.map((text, index) => (index < 6 ? text.replace(/\d+}$/, '7}') : text))
  const next = parseSigned(bytesOf(changed), newest.targets)
  assert.equal(next.targets.followed, false)
  assert.notEqual(parseSigned(bytesOf(changed), next.targets).targets.base, whole.targets.base)
})

interface Document {
  readonly signed: { readonly targets: Readonly<Record<string, unknown>> }
}
