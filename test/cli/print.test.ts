import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  daysLeft,
  printError,
  printJson,
  table,
  visible,
  withErrors,
  withWarnings,
} from '../../src/cli/terminal/print.ts'

describe('text for a terminal', () => {
  test('shows control and direction characters as escapes', () => {
    assert.equal(visible('a\u001b[31mb'), String.raw`a\u{1b}[31mb`)
    assert.equal(visible('a\nb\rc\u0007'), String.raw`a\u{a}b\u{d}c\u{7}`)
    assert.equal(visible('\u009b2J'), String.raw`\u{9b}2J`)
    assert.equal(visible('tag\u202egnp'), String.raw`tag\u{202e}gnp`)
    assert.equal(visible('a\u2028b'), String.raw`a\u{2028}b`)
  })

  test('shows what looks like nothing or like a blank as escapes', () => {
    for (const code of [0xad, 0x200b, 0x3164, 0xfe0f, 0x34f, 0xe0041, 0xa0, 0x2003, 0x3000, 0x2800]) {
      assert.equal(visible(`a${String.fromCodePoint(code)}b`), `a\\u{${code.toString(16)}}b`)
    }
    assert.equal(table([['app '], [' app'], ['a  b']]), 'app\\u{20}\n\\u{20}app\na  b')
  })

  test('leaves all other text as it is', () => {
    for (const text of ['v1.0', 'köln/日本', '🦭', ' a b ', '<&>']) assert.equal(visible(text), text)
  })

  test('is escaped in JSON without a change of meaning', (t) => {
    const write = t.mock.method(process.stdout, 'write', () => true)
    const value = { a: ['\u009b2J\u007f', 'é\u202e\u{e0041}\n', '🦭'] }
    for (const indent of [2, 0]) printJson(value, indent)
    const [first = '', second = ''] = write.mock.calls.map(({ arguments: [text] }) => String(text))
    write.mock.restore()
    assert.equal(
      first,
      String.raw`{
  "a": [
    "\u009b2J\u007f",
    "é\u202e\udb40\udc41\n",
    "🦭"
  ]
}
`,
    )
    assert.deepEqual(JSON.parse(first), value)
    assert.equal(second.indexOf('\n'), second.length - 1)
    assert.deepEqual(JSON.parse(second), value)
  })

  test('stands in columns, and no cell breaks its line', () => {
    assert.equal(
      table(
        [
          ['A', 'B', 'C'],
          ['long\nname', '', 'c'],
          ['x', 'yy', ''],
        ],
        '  ',
      ),
      String.raw`  A              B   C
  long\u{a}name      c
  x              yy`,
    )
  })

  test('has no line that looks like ours inside a quoted error', (t) => {
    const write = t.mock.method(process.stderr, 'write', () => true)
    printError('it is of type x\nhint: type this\n  and that', 'ours')
    const text = write.mock.calls.map(({ arguments: [line] }) => String(line)).join('')
    write.mock.restore()
    assert.equal(text, 'error: it is of type x\n  hint: type this\n  and that\nhint: ours\n')
    assert.equal(withErrors('table', ['a: x\nerror: b']), 'table\nerror: a: x\n  error: b')
    assert.equal(withWarnings('table', ['a: x\n  countersign y']), 'table\nwarning: a: x\n  countersign y')
    assert.equal(withWarnings('table', ['a: x\nerror: b']), 'table\nwarning: a: x\n  error: b')
  })

  test('says how many days are left', () => {
    const now = Date.parse('2026-11-24T08:00:00Z')
    assert.equal(daysLeft('2026-12-08T08:00:00Z', now), '2026-12-08 (14 days)')
    assert.equal(daysLeft('2026-11-25T09:00:00Z', now), '2026-11-25 (1 day)')
    assert.equal(daysLeft('2026-11-24T08:00:01Z', now), '2026-11-24 (less than a day)')
    assert.equal(daysLeft('2026-11-24T07:59:59Z', now), '2026-11-24 (expired)')
  })
})
