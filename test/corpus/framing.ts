import type { TrustWorld } from '../support/trust-world.ts'
import type { Case } from './case.ts'

type Raw = (path: string) => string

const HOST = 'Host: localhost'

/** H3: request framing that no client sends. One answer each, then the connection ends. */
const FRAMING: [string, number, Raw][] = [
  ['garbage', 400, () => 'garbage\r\n\r\n'],
  ['a TLS greeting', 400, () => '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n'],
  ['HTTP/0.9', 400, (path) => `GET ${path}\r\n\r\n`],
  ['HTTP/3.0', 400, (path) => `GET ${path} HTTP/3.0\r\n${HOST}\r\n\r\n`],
  ['no Host', 400, (path) => `GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`],
  ['two Hosts', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n${HOST}x\r\nConnection: close\r\n\r\n`],
  ['a blank before a colon', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\nX : 1\r\n\r\n`],
  ['a folded header', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\nX: 1\r\n  2\r\n\r\n`],
  ['a NUL in a header', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\nX: \0\r\n\r\n`],
  ['a bare CR in a header', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\nX: a\rb\r\n\r\n`],
  ['a header without a name', 400, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n: 1\r\n\r\n`],
  ['a blank in the path', 400, (path) => `GET ${path} x HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ['a lower-case method', 400, (path) => `get ${path} HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ['headers of 32 KiB', 431, (path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\nX: ${'x'.repeat(32_768)}\r\n\r\n`],
  // Node ends the connection without an answer.
  ['a CONNECT', 0, () => `CONNECT localhost:1 HTTP/1.1\r\n${HOST}\r\n\r\n`],
]

const FORM = 'Content-Type: multipart/form-data; boundary=b'

/** H4: body framing. */
const BODIES: [string, number, Raw][] = [
  ['a length and chunks', 400, (path) => post(path, ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n')],
  ['two lengths', 400, (path) => post(path, ['Content-Length: 1', 'Content-Length: 2'], 'xx')],
  ['two lengths in one header', 400, (path) => post(path, ['Content-Length: 1, 2'], 'xx')],
  ['a negative length', 400, (path) => post(path, ['Content-Length: -1'], '')],
  ['a length with a plus', 400, (path) => post(path, ['Content-Length: +1'], 'x')],
  ['a length in hexadecimal', 400, (path) => post(path, ['Content-Length: 0x1'], 'x')],
  ['a length beyond all numbers', 400, (path) => post(path, ['Content-Length: 99999999999999999999'], 'x')],
  ['chunks with a bad size', 400, (path) => post(path, ['Transfer-Encoding: chunked'], 'x\r\n')],
  ['chunks with a negative size', 400, (path) => post(path, ['Transfer-Encoding: chunked'], '-1\r\nx\r\n0\r\n\r\n')],
  ['an unknown transfer encoding', 400, (path) => post(path, ['Transfer-Encoding: identity'], 'x')],
  ['chunked twice', 400, (path) => post(path, ['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n')],
  ['chunked in disguise', 400, (path) => post(path, ['Transfer-Encoding: xchunked'], '0\r\n\r\n')],
  ['chunks after gzip', 400, (path) => post(path, ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n')],
  ['no body at all', 400, (path) => post(path, [], '')],
  ['a chunked empty body', 400, (path) => post(path, ['Transfer-Encoding: chunked'], '0\r\n\r\n')],
]

function post(path: string, headers: readonly string[], body: string): string {
  return [`POST ${path} HTTP/1.1`, HOST, 'Connection: close', FORM, ...headers, '', body].join('\r\n')
}

export const framing = (): Case[] =>
  [...FRAMING.map((row) => ['H3', ...row] as const), ...BODIES.map((row) => ['H4', ...row] as const)].map(
    ([group, what, status, raw]): Case => ({
      group,
      name: `a request with ${what}`,
      scene: 'client-snapshot',
      expected: { status },
      changes: false,
      send: (world: TrustWorld) =>
        raw(group === 'H3' ? `/v2/${world.gun}/_trust/tuf/root.json` : `/v2/${world.gun}/_trust/tuf/`),
    }),
  )
