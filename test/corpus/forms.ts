import { gzipSync } from 'node:zlib'
import type { Ask } from '../support/exchange.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import { tufPath, type Part } from '../support/upload.ts'
import { MALFORMED_JSON, MALFORMED_UPLOAD, OK, type Case, type Expected } from './case.ts'

const NO_FILENAME: Expected = { status: 400, code: 'NO_FILENAME' }
const B = 'boundary7'
const TYPE = `multipart/form-data; boundary=${B}`

type Form = (parts: readonly Part[]) => {
  type?: string | undefined
  body: string | Uint8Array
  headers?: Record<string, string>
}

/** Writes a part as Go clients do; `head` replaces its first header. */
function part(
  { role, bytes }: Part,
  head = `Content-Disposition: form-data; name="files"; filename="${role}"`,
): string {
  const type = 'Content-Type: application/octet-stream'
  return `--${B}\r\n${[head, type].filter((line) => line !== '').join('\r\n')}\r\n\r\n${Buffer.from(bytes).toString('latin1')}\r\n`
}

const END = `--${B}--\r\n`

/** Writes all parts, the first one with this disposition. */
function disposed(head: (role: string) => string): Form {
  return (parts) => ({
    type: TYPE,
    body: parts.map((item, index) => (index === 0 ? part(item, head(item.role)) : part(item))).join('') + END,
  })
}

const whole = (parts: readonly Part[]): string => parts.map((item) => part(item)).join('') + END

/** M1: what is not an upload form. */
const REFUSED: [string, Expected, Form][] = [
  ['no content type', MALFORMED_UPLOAD, (parts) => ({ type: undefined, body: whole(parts) })],
  ['an empty content type', MALFORMED_UPLOAD, (parts) => ({ type: '', body: whole(parts) })],
  [
    'the content type application/json',
    MALFORMED_UPLOAD,
    (parts) => ({ type: 'application/json', body: whole(parts) }),
  ],
  ['the content type text/plain', MALFORMED_UPLOAD, (parts) => ({ type: 'text/plain', body: whole(parts) })],
  ['an url-encoded form', MALFORMED_UPLOAD, () => ({ type: 'application/x-www-form-urlencoded', body: 'root=1' })],
  ['no boundary', MALFORMED_UPLOAD, (parts) => ({ type: 'multipart/form-data', body: whole(parts) })],
  ['an empty boundary', MALFORMED_UPLOAD, (parts) => ({ type: 'multipart/form-data; boundary=', body: whole(parts) })],
  [
    'a boundary of 300 characters',
    MALFORMED_UPLOAD,
    (parts) => ({ type: `multipart/form-data; boundary=${'b'.repeat(300)}`, body: whole(parts) }),
  ],
  [
    'another boundary than its body',
    MALFORMED_UPLOAD,
    (parts) => ({ type: 'multipart/form-data; boundary=other', body: whole(parts) }),
  ],
  [
    'its boundary in another case',
    MALFORMED_UPLOAD,
    (parts) => ({ type: 'multipart/form-data; boundary=BOUNDARY7', body: whole(parts) }),
  ],
  ['an empty body', MALFORMED_UPLOAD, () => ({ type: TYPE, body: '' })],
  ['a body of line ends', MALFORMED_UPLOAD, () => ({ type: TYPE, body: '\r\n\r\n' })],
  ['a body of garbage', MALFORMED_UPLOAD, () => ({ type: TYPE, body: 'garbage' })],
  ['JSON as its body', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: parts[0]?.bytes ?? '' })],
  ['a delimiter and nothing more', MALFORMED_UPLOAD, () => ({ type: TYPE, body: `--${B}` })],
  ['a delimiter and a line end', MALFORMED_UPLOAD, () => ({ type: TYPE, body: `--${B}\r\n` })],
  ['a cut in the header of a part', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: whole(parts).slice(0, 50) })],
  [
    'a cut after the header of a part',
    MALFORMED_UPLOAD,
    (parts) => ({ type: TYPE, body: upTo(whole(parts), '\r\n\r\n') }),
  ],
  ['a cut in the content of a part', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: whole(parts).slice(0, 400) })],
  ['no final delimiter', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: whole(parts).slice(0, -END.length) })],
  ['a first delimiter that begins no line', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: `\n${whole(parts)}` })],
  ['half a final delimiter', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: whole(parts).slice(0, -5) })],
  ['a part without any header', NO_FILENAME, (parts) => ({ type: TYPE, body: headless(parts) })],
  ['a part without a disposition', NO_FILENAME, disposed(() => '')],
  ['a disposition without a file name', NO_FILENAME, disposed(() => 'Content-Disposition: form-data; name="files"')],
  ['a disposition without anything', NO_FILENAME, disposed(() => 'Content-Disposition:')],
  ['a disposition that cannot be read', NO_FILENAME, disposed(() => 'Content-Disposition: ;;;="')],
  [
    'its name instead of a file name',
    NO_FILENAME,
    disposed((role) => `Content-Disposition: form-data; name="${role}"`),
  ],
  ['an empty file name', NO_FILENAME, disposed(() => 'Content-Disposition: form-data; name="files"; filename=""')],
  [
    '129 parts',
    MALFORMED_UPLOAD,
    (parts) => ({
      type: TYPE,
      body:
        Array.from({ length: 129 }, () => parts.map((item) => part(item)))
          .flat()
          .slice(0, 129)
          .join('') + END,
    }),
  ],
  ['a part of more than 8 MiB', MALFORMED_UPLOAD, (parts) => ({ type: TYPE, body: padded(parts, 9 * 1024 * 1024) })],
  [
    'a gzipped body',
    MALFORMED_UPLOAD,
    (parts) => ({ type: TYPE, body: gzipSync(whole(parts)), headers: { 'content-encoding': 'gzip' } }),
  ],
  [
    'a zip bomb for a body',
    MALFORMED_UPLOAD,
    () => ({ type: TYPE, body: gzipSync(Buffer.alloc(16 * 1024 * 1024)), headers: { 'content-encoding': 'gzip' } }),
  ],
  [
    'a second, broken file of the same role',
    MALFORMED_JSON,
    (parts) => ({ type: TYPE, body: part({ role: 'targets', bytes: Buffer.from('{') }) + whole(parts) }),
  ],
]

/** M1: odd but valid forms (wire spec §5.1). */
const ACCEPTED: [string, Form][] = [
  ['the parts in reverse order', (parts) => ({ type: TYPE, body: whole(parts.toReversed()) })],
  ['multipart/mixed', (parts) => ({ type: `multipart/mixed; boundary=${B}`, body: whole(parts) })],
  ['its content type in upper case', (parts) => ({ type: `MULTIPART/FORM-DATA; BOUNDARY=${B}`, body: whole(parts) })],
  ['its boundary in quotes', (parts) => ({ type: `multipart/form-data; boundary="${B}"`, body: whole(parts) })],
  [
    'a parameter before its boundary',
    (parts) => ({ type: `multipart/form-data; charset=utf-8; boundary=${B}`, body: whole(parts) }),
  ],
  ['a preamble and an epilogue', (parts) => ({ type: TYPE, body: `preamble\r\n${whole(parts)}epilogue` })],
  ['another field name', disposed((role) => `Content-Disposition: form-data; name="x"; filename="${role}"`)],
  ['no field name', disposed((role) => `Content-Disposition: form-data; filename="${role}"`)],
  [
    'the file name without quotes',
    disposed((role) => `Content-Disposition: form-data; name="files"; filename=${role}`),
  ],
  [
    'the file name encoded',
    disposed((role) => `Content-Disposition: form-data; name="files"; filename*=UTF-8''${role}`),
  ],
  ['its header in lower case', disposed((role) => `content-disposition: form-data; name="files"; filename="${role}"`)],
  [
    'a spoilt file of the same role before it',
    (parts) => ({ type: TYPE, body: whole([...unsigned(parts), ...parts]) }),
  ],
  [
    'an unknown header in a part',
    disposed((role) => `X-Unknown: 1\r\nContent-Disposition: form-data; filename="${role}"`),
  ],
]

export const forms = (): Case[] => [
  ...REFUSED.map(([what, expected, form]) => formCase(`an upload with ${what}`, expected, form)),
  ...ACCEPTED.map(([what, form]) => formCase(`an upload with ${what}: accepted`, OK, form)),
]

function formCase(name: string, expected: Expected, form: Form): Case {
  const send = (world: TrustWorld): Ask => {
    const { type, body, headers } = form(world.nextParts('targets'))
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
    const sent = { ...(type === undefined ? {} : { 'content-type': type }), ...headers }
    return { method: 'POST', path: tufPath(world.gun), headers: sent, body: bytes }
  }
  return { group: 'M1', name, scene: 'client-snapshot', expected, changes: expected === OK, send }
}

/** Files that parse but have no signature: of two files of a role the last one counts. */
function unsigned(parts: readonly Part[]): Part[] {
  const file = Buffer.from(parts[0]?.bytes ?? []).toString('utf8')
  const bytes = Buffer.from(`${file.slice(0, file.lastIndexOf('"signatures"'))}"signatures":[]}`)
  return [{ role: parts[0]?.role ?? '', bytes }]
}

function upTo(text: string, mark: string): string {
  return text.slice(0, text.indexOf(mark) + mark.length)
}

function headless(parts: readonly Part[]): string {
  return `--${B}\r\n\r\n${Buffer.from(parts[0]?.bytes ?? []).toString('latin1')}\r\n${END}`
}

/** Pads with white space, which is allowed after the JSON: only the length can be refused. */
function padded(parts: readonly Part[], length: number): string {
  return whole(parts.map((item) => ({ ...item, bytes: Buffer.concat([item.bytes, Buffer.alloc(length, ' ')]) })))
}
