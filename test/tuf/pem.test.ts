import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derElements } from '../../src/tuf/asn1/der.ts'
import { decodePem, encodePem, PEM_MAX_BLOCKS } from '../../src/tuf/asn1/pem.ts'

const decode = (text: string): unknown => decodePem(Buffer.from(text))

test('encoding writes lines of 64 columns, and decoding reads them back', () => {
  for (const size of [1, 47, 48, 49, 96, 1000]) {
    const blocks = [
      { label: 'CERTIFICATE', bytes: Buffer.alloc(size, 7) },
      { label: 'PUBLIC KEY', bytes: Buffer.alloc(size, 9) },
    ]
    const text = encodePem(blocks).toString()
    assert.ok(text.split('\n').every((line) => line.length <= 64))
    assert.ok(text.endsWith('-----END PUBLIC KEY-----\n'))
    assert.deepEqual(decode(text), blocks)
  }
})

test('blocks of any length are decoded: uploads may have one of megabytes', () => {
  const blocks = [{ label: 'CERTIFICATE', bytes: Buffer.alloc(8 * 1024 * 1024, 7) }]
  assert.deepEqual(decodePem(encodePem(blocks)), blocks)
})

const BLOCK = '-----BEGIN A-----\nAAEC\n-----END A-----\n'

test('CRLF, any line length and a missing last line end are accepted', () => {
  const expected = [{ label: 'A', bytes: Buffer.from([0, 1, 2]) }]
  assert.deepEqual(decode(BLOCK), expected)
  assert.deepEqual(decode(BLOCK.replaceAll('\n', '\r\n')), expected)
  assert.deepEqual(decode(BLOCK.trimEnd()), expected)
  assert.deepEqual(decode('-----BEGIN A-----\nA\nA\nE\nC\n-----END A-----'), expected)
})

const REFUSED: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['text before the block', `comment\n${BLOCK}`],
  ['text after the block', `${BLOCK}comment`],
  ['a blank line after the block', `${BLOCK}\n`],
  ['two blocks on one line', `${BLOCK.trimEnd()}${BLOCK}`],
  ['headers', BLOCK.replace('AAEC', 'role: root\n\nAAEC')],
  ['another label at the end', BLOCK.replace('END A', 'END B')],
  ['no end', '-----BEGIN A-----\nAAEC\n'],
  ['an end on the line of the content', BLOCK.replace('AAEC\n', 'AAEC')],
  ['no content', '-----BEGIN A-----\n\n-----END A-----\n'],
  ['missing padding', BLOCK.replace('AAEC', 'AAE')],
  ['more padding than there can be', BLOCK.replace('AAEC', 'A===')],
  ['padding inside', BLOCK.replace('AAEC', 'AA==AAEC')],
  ['the URL alphabet', BLOCK.replace('AAEC', 'AA_-')],
  ['too many blocks', BLOCK.repeat(PEM_MAX_BLOCKS + 1)],
]

for (const [what, text] of REFUSED) {
  test(`refuses ${what}`, () => assert.equal(decode(text), undefined))
}

test(`${PEM_MAX_BLOCKS} blocks are accepted`, () => {
  assert.equal(decodePem(Buffer.from(BLOCK.repeat(PEM_MAX_BLOCKS)))?.length, PEM_MAX_BLOCKS)
})

const NOT_DER: readonly (readonly [what: string, hex: string])[] = [
  ['an indefinite length', '30800000'],
  ['a length that could be shorter', '30018100'],
  ['a long form below 128', '04810100'],
  ['a length with a leading zero', '0482000100'],
  ['a length beyond the end', '040200'],
  ['a length cut short', '0482'],
  ['a tag without length', '04'],
  ['a high tag', '1f0100'],
  ['a length of four bytes', '04840000000100'],
]

for (const [what, hex] of NOT_DER) {
  test(`refused as DER: ${what}`, () => {
    assert.equal(
      derElements(Buffer.from(hex, 'hex'))?.every(({ content }) => derElements(content) !== undefined),
      undefined,
    )
  })
}
