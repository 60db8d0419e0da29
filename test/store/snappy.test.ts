import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unsnap } from '../../src/store/leveldb/snappy.ts'

/** The format of format_description.txt: the length, then elements. */
const packed = (length: number, ...pieces: (number | string)[]): Buffer =>
  Buffer.concat([
    Buffer.from([length]),
    ...pieces.map((each) => (typeof each === 'string' ? Buffer.from(each) : Buffer.from([each]))),
  ])

test('literals and copies with one-, two- and four-byte offsets are decoded, overlapping ones too', () => {
  assert.equal(unsnap(packed(11, 1 << 2, 'ab', (8 << 2) | 2, 2, 0)).toString(), 'abababababa')
  assert.equal(unsnap(packed(8, 3 << 2, 'wxyz', 1, 4)).toString(), 'wxyzwxyz')
  assert.equal(unsnap(packed(5, 2 << 2, 'abc', (1 << 2) | 3, 3, 0, 0, 0)).toString(), 'abcab')
  const long = 'l'.repeat(70)
  assert.equal(unsnap(packed(70, 60 << 2, 69, long)).toString(), long)
})

test('malformed input is refused, and nothing is read past its end', () => {
  const wrong = [
    packed(4, 1, 4),
    packed(2, 3 << 2, 'abcd'),
    packed(9, 3 << 2, 'ab'),
    packed(8, 3 << 2, 'abcd', 1),
    packed(8, 3 << 2, 'abcd', 1, 0),
    packed(5, 3 << 2, 'abcd', 1, 4),
    Buffer.alloc(0),
    Buffer.alloc(12, 0xff),
  ]
  for (const bytes of wrong) assert.throws(() => unsnap(bytes), RangeError)
})
