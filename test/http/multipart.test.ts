import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TrustError } from '../../src/errors.ts'
import { parseMultipart } from '../../src/http/multipart.ts'
import { multipartForm } from '../support/upload.ts'

const LIMITS = { partBytes: 1_000, parts: 3, partHeaderBytes: 200 }
const TYPE = 'multipart/form-data; boundary=b7'

const parse = (body: string | Buffer, type = TYPE): [string | undefined, string][] =>
  parseMultipart(type, Buffer.from(body as string, 'latin1'), LIMITS).map(({ filename, bytes }) => [
    filename,
    Buffer.from(bytes).toString('latin1'),
  ])

const disposed = (disposition: string): string | undefined => {
  const [part] = parse(`--b7\r\nContent-Disposition: ${disposition}\r\n\r\n{}\r\n--b7--\r\n`)
  return part?.[0]
}

const refused = (body: string, type = TYPE): void =>
  assert.throws(
    () => parse(body, type),
    (error) => error instanceof TrustError && error.code === 'MALFORMED_UPLOAD',
    JSON.stringify([type, body]),
  )

const partOf = (content: string, header = ''): string => `--b7\r\n${header}\r\n${content}\r\n`
const headerOf = (bytes: number): string => `X: ${'x'.repeat(bytes - 3)}\r\n`

test('the form that Go clients send is parsed, with slashes in file names', () => {
  const { contentType, body } = multipartForm([
    { role: 'root', bytes: Buffer.from('{"a":1}\r\n') },
    { role: 'targets/releases', bytes: Buffer.from('') },
  ])
  const parts = parseMultipart(contentType, body, LIMITS)
  assert.deepEqual(
    parts.map(({ filename, bytes }) => [filename, Buffer.from(bytes).toString()]),
    [
      ['root', '{"a":1}\r\n'],
      ['targets/releases', ''],
    ],
  )
})

test('a form may have no parts', () => {
  for (const body of ['--b7--', '--b7--\r\n', '\r\n--b7--\r\n']) assert.deepEqual(parse(body), [])
})

test('file names (wire spec §5.1)', () => {
  for (const [disposition, name] of [
    ['form-data; name="files"; filename="root"', 'root'],
    ['form-data; filename=root; name=files', 'root'],
    ['attachment; FileName="root.json"', 'root.json'],
    ['form-data;filename="targets/a/b"', 'targets/a/b'],
    ["form-data; filename*=UTF-8''targets%2Fa", 'targets/a'],
    ["form-data; filename*=utf-8'en'root", 'root'],
    ["form-data; filename*=UTF-8''root; filename=targets", 'root'],
    ["form-data; filename=targets; filename*=UTF-8''root", 'root'],
    ['form-data; filename="a\\"b"', 'a"b'],
    ['form-data; filename=""', ''],
    ['form-data; filename=" root "', ' root '],
    ['form-data; name="filename"', undefined],
    ['form-data; name="; filename=x"', undefined],
    ['form-data', undefined],
    ['', undefined],
    ['form-data; filename', undefined],
    ['form-data; filename="root', undefined],
    ['form-data; filename="root"x', undefined],
    ['form-data; name="files"x; filename=root', undefined],
    ['form-data; filename=a; filename=b', undefined],
    ["form-data; filename*=latin1''root", undefined],
    ["form-data; filename*=UTF-8''%zz", undefined],
  ] as const) {
    assert.equal(disposed(disposition), name, disposition)
  }
})

test('a part without any header, without a disposition or with two names no role', () => {
  const disposition = 'Content-Disposition: form-data; filename=root\r\n'
  assert.deepEqual(parse('--b7\r\nX: 1\r\n\r\n{}\r\n--b7--'), [[undefined, '{}']])
  assert.deepEqual(parse(`--b7\r\n${disposition}${disposition}\r\n{}\r\n--b7--`), [[undefined, '{}']])
  assert.deepEqual(parse('--b7\r\n\r\n{}\r\n--b7--'), [[undefined, '{}']])
  assert.deepEqual(parse('--b7\r\n\r\n\r\n--b7--'), [[undefined, '']])
})

test('a part may have an identity transfer encoding', () => {
  for (const encoding of ['binary', '7bit', '8bit', 'Binary ']) {
    assert.deepEqual(parse(`${partOf('{}', `Content-Transfer-Encoding: ${encoding}\r\n`)}--b7--`), [[undefined, '{}']])
  }
})

test('a part without content ends after its headers, and the next part is not its content', () => {
  const headers = (role: string): string => `--b7\r\nContent-Disposition: form-data; filename=${role}\r\n\r\n`
  assert.deepEqual(parse(`${headers('root')}${headers('targets')}{}\r\n--b7--`), [
    ['root', ''],
    ['targets', '{}'],
  ])
})

test('a boundary starts a line, and blanks may follow it', () => {
  const whole = '--b7\r\nX: 1\r\n\r\n{}\r\n--b7--'
  assert.deepEqual(parse(`preamble\r\n${whole}`), [[undefined, '{}']])
  assert.deepEqual(parse(whole.replace('--b7\r\n', '--b7 \t\r\n')), [[undefined, '{}']])
  // Another parser would skip this one and start with the next.
  for (const before of ['preamble', '\n', 'preamble\n', '\r']) refused(`${before}${whole}`)
})

test('content types', () => {
  const body = '--b7\r\nContent-Disposition: form-data; filename=root\r\n\r\n{}\r\n--b7--'
  for (const type of [
    TYPE,
    'MULTIPART/Form-Data; BOUNDARY=b7',
    'multipart/mixed;boundary="b7"',
    'multipart/form-data; charset=utf-8; boundary=b7',
    'multipart/form-data; boundary=b7; charset=utf-8',
  ]) {
    assert.deepEqual(parse(body, type), [['root', '{}']], type)
  }
  for (const type of [
    ['', 'multipart', 'multipart/', 'multipart/form-data', 'multipart/form-data; boundary=', 'text/plain; boundary=b7'],
    [
      'application/json',
      'multipart/form-data; boundary=""',
      'multipart/form-data; xboundary=b7',
      'xmultipart/x; boundary=b7',
    ],
    ['multipart/form-data; boundary=B7', `multipart/form-data; boundary=${'b'.repeat(71)}`],
  ].flat()) {
    refused(body, type)
  }
})

test('content is binary: line ends and partial boundaries in it remain', () => {
  const content = '\r\n--b\r\n-b7\r\n --b7\r\n\n\r\0\xff'
  assert.deepEqual(parse(`--b7\r\nContent-Disposition: x; filename=root\r\n\r\n${content}\r\n--b7--`), [
    ['root', content],
  ])
})

test('garbage, truncation and malformed framing are refused', () => {
  const whole = '--b7\r\nContent-Disposition: form-data; filename=root\r\n\r\n{}\r\n--b7--'
  for (let length = 0; length < whole.length; length += 1) refused(whole.slice(0, length))
  for (const body of [
    ['garbage', '\r\n', '{}', '--b8--', 'b7--', '--b7\n\n{}\n--b7--'],
    [
      '--b7xx\r\nX: 1\r\n\r\n{}\r\n--b7--',
      '--b7x\r\n\r\n{}\r\n--b7--',
      '--b7\r\n\r\n{}\r\n--b7x',
      '--b7\r\n\r\n{}--b7--',
      '--b7-',
    ],
    ['--b7\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n--b7--'],
    ['--b7\r\nContent-Transfer-Encoding: base64\r\n\r\ne30=\r\n--b7--'],
    ['--b7\r\nContent-Transfer-Encoding: binary64\r\n\r\ne30=\r\n--b7--'],
  ].flat()) {
    refused(body)
  }
})

test('limits are exact: one more is refused', () => {
  assert.equal(parse(`${partOf('x'.repeat(1_000))}--b7--`)[0]?.[1].length, 1_000)
  refused(`${partOf('x'.repeat(1_001))}--b7--`)
  assert.equal(parse(`${partOf('').repeat(3)}--b7--`).length, 3)
  refused(`${partOf('').repeat(4)}--b7--`)
  assert.equal(parse(`${partOf('', headerOf(200))}--b7--`).length, 1)
  refused(`${partOf('', headerOf(201))}--b7--`)
  const [most, more] = ['b'.repeat(70), 'b'.repeat(71)]
  assert.deepEqual(parse(`--${most}--`, `multipart/form-data; boundary=${most}`), [])
  refused(`--${more}--`, `multipart/form-data; boundary=${more}`)
})

test('parts survive a round trip, and arbitrary bytes cause nothing but a refusal', () => {
  const role = fc.constantFrom('root', 'targets', 'targets/releases', 'targets/a/b/c')
  const part = fc.record({ role, bytes: fc.uint8Array({ maxLength: 200 }) })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 3 }), (parts) => {
      const { contentType, body } = multipartForm(parts)
      const found = parseMultipart(contentType, body, LIMITS)
      assert.deepEqual(
        found.map(({ filename, bytes }) => [filename, Buffer.from(bytes).toString('hex')]),
        parts.map((each) => [each.role, Buffer.from(each.bytes).toString('hex')]),
      )
    }),
  )
  const pieces = fc.constantFrom(
    '--b7',
    '--b7--',
    '\r\n',
    '\r',
    '\n',
    ':',
    ';',
    '"',
    'filename=',
    'Content-Disposition',
    ' ',
    'x',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (body) => {
      try {
        parse(body.join(''))
      } catch (error) {
        assert.ok(error instanceof TrustError && error.code === 'MALFORMED_UPLOAD')
      }
    }),
  )
})

test('a long content type is refused as fast as a short one', () => {
  for (const type of [`multipart/${'a'.repeat(300_000)}`, `multipart/${'a'.repeat(150_000)};${' '.repeat(150_000)}`]) {
    const { user } = process.threadCpuUsage()
    refused(partOf('{}'), type)
    // Microseconds of the processor's time, which no busy machine makes longer.
    assert.ok(process.threadCpuUsage().user - user < 2_000_000)
  }
})
