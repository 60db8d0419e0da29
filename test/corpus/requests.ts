import { tufPath } from '../support/upload.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import { requestCase, type Case, type Expected } from './case.ts'

const NOT_FOUND: Expected = { status: 404, code: 'METADATA_NOT_FOUND' }
const SHA256 = 'ab'.repeat(32)

/** H1: paths. `GUN` stands for the name of an existing repository. */
const PATHS: [string, Expected][] = [
  ...[
    ...['/', '/v2', '/v1/', '/v3/', '/favicon.ico', '/v2/GUN', '/v2/GUN/', '/v2/GUN/_trust', '/v2/GUN/_trust/'],
    ...['/v2/GUN/_trust/tuf', '/v2/GUN/_trust/tuf/root', '/v2/GUN/_trust/tuf/root.json/', '/v2/GUN/_trust/tuf/.json'],
    ...['/v2/GUN/_trust/tuf/ROOT.json', '/v2/GUN/_trust/tuf/root.JSON', '/v2/GUN/_trust/tuf/roots.json'],
    ...['/v2/GUN/_trust/tuf/root.json.json', '/v2/GUN/_trust/tuf/mirrors.json', '/v2/GUN/_trust/tuf/root/x.json'],
    ...['/v2/GUN/_trust/tuf/0.root.json', '/v2/GUN/_trust/tuf/9.root.json', '/v2/GUN/_trust/tuf/-1.root.json'],
    ...['/v2/GUN/_trust/tuf/1.5.root.json', '/v2/GUN/_trust/tuf/1e0.root.json', '/v2/GUN/_trust/tuf/+1.root.json'],
    ...['/v2/GUN/_trust/tuf/99999999999999999999.root.json', '/v2/GUN/_trust/tuf/0x1.root.json'],
    ...['/v2/GUN/_trust/tuf/root.1.json', '/v2/GUN/_trust/tuf/1.root', '/v2/GUN/_trust/tuf/.root.json'],
    ...[`/v2/GUN/_trust/tuf/root.${SHA256}.json`, `/v2/GUN/_trust/tuf/root.${SHA256.slice(1)}.json`],
    ...[`/v2/GUN/_trust/tuf/root.${SHA256}ab.json`, `/v2/GUN/_trust/tuf/root.${'z'.repeat(64)}.json`],
    ...[`/v2/GUN/_trust/tuf/root.${'a'.repeat(96)}.json`, `/v2/GUN/_trust/tuf/root.${'a'.repeat(128)}.json`],
    ...[
      '/v2/GUN/_trust/tuf/targets/ghost.json',
      '/v2/GUN/_trust/tuf/targets/.json',
      '/v2/GUN/_trust/tuf/targets//a.json',
    ],
    ...[
      '/v2/GUN/_trust/tuf/targets/RELEASES.json',
      '/v2/GUN/_trust/tuf/targets/a%20b.json',
      '/v2/GUN/_trust/tuf/releases.json',
    ],
    ...[
      '/v2/GUN/_trust/tuf/targets/releases',
      '/v2/GUN/_trust/tuf/targets%00.json',
      '/v2/GUN/_trust/tuf/targets/%2e%2e/root.json',
    ],
    ...['/v2/GUN/_trust/tuf/root.key', '/v2/GUN/_trust/tuf/targets.key', '/v2/GUN/_trust/tuf/timestamp.key/'],
    ...[
      '/v2/GUN/_trust/tuf/timestamp.KEY',
      '/v2/GUN/_trust/tuf/targets/releases.key',
      '/v2/GUN/_trust/tuf/1.timestamp.key',
    ],
    ...['/v2/_trust/tuf/root.json', '/v2/%2a/_trust/tuf/root.json', '/v2/no/such/_trust/tuf/root.json'],
    ...['/v2/GUN%2a/_trust/tuf/root.json', '/v2/GUN%00/_trust/tuf/root.json', '/v2/GUN%0a/_trust/tuf/root.json'],
    ...['/v2/GUNx/_trust/tuf/root.json', '/v2/x/GUN/_trust/tuf/root.json', '/v2/__proto__/_trust/tuf/root.json'],
    ...[
      '/v2/%2e%2e/_trust/tuf/root.json',
      '/v2/GUN/%2e%2e/app/_trust/tuf/root.json',
      '/v2/constructor/_trust/tuf/root.json',
    ],
    ...['/v2/GUN/_trust/tuf/..%2froot.json', '/v2/GUN%5c/_trust/tuf/root.json', '/v2/GUN/_trust/tuf/root.json%00'],
    ...['/v2/GUN/_trust/changefeed/', '/v2/_trust/changefeed/', '/v2/GUN/_trust/changefeeds', '/_notary_server/'],
    ...['/_notary_server/health/', '/metrics/', '/v2/GUN/_trust/tuf/root.json;x', '/v2/GUN/_trust/tuf/root%2ejson%20'],
  ].map((path): [string, Expected] => [path, NOT_FOUND]),
  ['/v2/%/_trust/tuf/root.json', { status: 400 }],
  ['/v2/%zz/_trust/tuf/root.json', { status: 400 }],
  ['/v2/%ff%fe/_trust/tuf/root.json', { status: 400 }],
  [`/v2/${'a'.repeat(256)}/_trust/tuf/root.json`, NOT_FOUND],
  [`/v2/${'a/'.repeat(2_000)}_trust/tuf/root.json`, NOT_FOUND],
  ['/v2/GUN/_trust/tuf/root.json', { status: 200 }],
  ['/v2/GUN/_trust/tuf/root.json?x=1', { status: 200 }],
  ['//v2//GUN//_trust/tuf/root.json', { status: 200 }],
  ['/v2/GUN/_trust/tuf/01.root.json', { status: 200 }],
  ['/v2/GUN/_trust/tuf/1.timestamp.json', { status: 200 }],
  ['/v2/', { status: 200 }],
]

/** H2: methods. */
const METHODS: [string, string, Expected][] = [
  ...['PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK', 'QUERY'].map((method): [string, string, Expected] => [
    method,
    'root.json',
    { status: 405 },
  ]),
  ...['POST', 'PUT', 'DELETE'].map((method): [string, string, Expected] => [method, 'root.json', NOT_FOUND]),
  ['PUT', '', NOT_FOUND],
  ['GET', '', NOT_FOUND],
  ['PUT', 'timestamp.key', NOT_FOUND],
  ['DELETE', 'timestamp.key', NOT_FOUND],
  ['PATCH', '', { status: 405 }],
  ['HEAD', 'root.json', { status: 200 }],
]

/** K1: keys that nobody may ask for. */
const KEYS: [string, string][] = ['GET', 'POST'].flatMap((method) =>
  ['root.key', 'targets.key', 'targets/releases.key', 'mirrors.key', 'Timestamp.key', '.key'].map(
    (file): [string, string] => [method, file],
  ),
)

/** C1: parameters of the changefeed (wire spec §10). */
const BAD_PARAMETERS: Expected = { status: 400, code: 'INVALID_PARAMETERS' }
const QUERIES: [string, Expected][] = [
  ...[
    ...['', '?', '?records', '?records=', '?records=x', '?records=1x', '?records=1.5', '?records=1e1', '?records=0x1'],
    ...['?records=%201', '?records=2147483648', '?records=-2147483649', '?records=99999999999999999999', '?records=+'],
    ...[
      '?records=--1',
      '?records=NaN',
      '?records=Infinity',
      '?records=١',
      '?records=1,2',
      '?RECORDS=1',
      '?records[]=1',
    ],
    ...['?records=1&change_id=x', '?records=1&change_id=1.5', '?records=1&change_id=2147483648'],
    ...['?records=x&records=1', '?change_id=1'],
  ].map((query): [string, Expected] => [query, BAD_PARAMETERS]),
  ...[
    '?records=1',
    '?records=1&change_id=',
    '?records=0',
    '?records=02',
    '?records=%2B2',
    '?records=-1',
    '?records=2147483647',
  ].map((query): [string, Expected] => [query, { status: 200 }]),
  ...['?records=-2147483648', '?records=1&change_id=-1', '?records=1&records=x', '?records=5&change_id=2147483647'].map(
    (query): [string, Expected] => [query, { status: 200 }],
  ),
]

const named = (path: string, world: TrustWorld): string => path.replace('GUN', world.gun)

export const requests = (): Case[] => [
  ...PATHS.map(([path, expected]) =>
    requestCase(
      'H1',
      `GET ${path.length > 90 ? `${path.slice(0, 90)}… (${path.length})` : path} answers ${expected.status}`,
      expected,
      (world) => ({
        path: named(path, world),
      }),
    ),
  ),
  ...METHODS.map(([method, file, expected]) =>
    requestCase('H2', `${method} of "${file}" answers ${expected.status}`, expected, (world) => ({
      method,
      path: tufPath(world.gun, file),
    })),
  ),
  ...KEYS.map(([method, file]) =>
    requestCase('K1', `${method} of ${file}`, NOT_FOUND, (world) => ({ method, path: tufPath(world.gun, file) })),
  ),
  ...['/v2/_trust/changefeed', '/v2/GUN/_trust/changefeed'].flatMap((path) =>
    QUERIES.map(([query, expected]) =>
      requestCase('C1', `${path}${query} answers ${expected.status}`, expected, (world) => ({
        path: named(path, world) + encodeURI(query).replaceAll('%25', '%'),
      })),
    ),
  ),
  ...['', 'root.json', '?x', '%20'].map((rest) =>
    requestCase('D1', `DELETE of a repository that never was, with "${rest}"`, dead(rest), (world) => ({
      method: 'DELETE',
      path: `/v2/${world.gun}/never/_trust/tuf/${rest}`,
    })),
  ),
  requestCase('D1', 'DELETE of a name that this one begins with', { status: 200 }, (world) => ({
    method: 'DELETE',
    path: tufPath(world.gun.slice(0, -2)),
  })),
  requestCase('D1', 'DELETE of the name in upper case', { status: 200 }, (world) => ({
    method: 'DELETE',
    path: tufPath(world.gun.toUpperCase()),
  })),
]

function dead(rest: string): Expected {
  return rest === '' || rest === '?x' ? { status: 200 } : NOT_FOUND
}
