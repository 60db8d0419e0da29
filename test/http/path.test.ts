import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodePath, parseTufFile, type TufFile } from '../../src/http/path.ts'
import type { Role } from '../../src/tuf/role.ts'

const SHA256 = 'ab'.repeat(32)

test('a path is decoded once, and repeated slashes are one', () => {
  for (const [path, decoded] of [
    ['/v2/a/_trust/tuf/root.json', '/v2/a/_trust/tuf/root.json'],
    ['//v2///a//_trust/tuf/', '/v2/a/_trust/tuf/'],
    ['/v2/a%2Fb/_trust/tuf/', '/v2/a/b/_trust/tuf/'],
    ['/v2/a%2f%2fb/', '/v2/a/b/'],
    ['/v2/a%2520b/', '/v2/a%20b/'],
    ['/v2/%C3%BCn/', '/v2/ün/'],
    ['/v2/a%25/', '/v2/a%/'],
    ['/v2/a:b+c&d/', '/v2/a:b+c&d/'],
    ['/v2/./a/../b/', '/v2/./a/../b/'],
    ['/', '/'],
    ['*', '*'],
  ] as const) {
    assert.equal(decodePath(path), decoded, path)
  }
})

test('broken percent-encoding is refused', () => {
  for (const path of ['/%', '/%2', '/%zz', '/%ff', '/%c3', '/%ed%a0%80', '/%c0%af']) {
    assert.throws(() => decodePath(path), { code: 'INVALID_PARAMETERS', message: 'the URL cannot be read' }, path)
  }
})

test('file forms (wire spec §2)', () => {
  const longest: Role = `targets/${'a'.repeat(247)}`
  const deepest: Role = `targets/${Array.from({ length: 32 }, () => 'a').join('/')}`
  const forms: [string, TufFile][] = [
    ['root.json', { form: 'current', role: 'root' }],
    ['targets/a_b/c-1.json', { form: 'current', role: 'targets/a_b/c-1' }],
    [`root.${SHA256}.json`, { form: 'checksum', role: 'root', sha256: SHA256 }],
    [`root.${SHA256.toUpperCase()}.json`, { form: 'checksum', role: 'root', sha256: SHA256 }],
    [`targets/releases.${SHA256}.json`, { form: 'checksum', role: 'targets/releases', sha256: SHA256 }],
    [`targets/${SHA256}.json`, { form: 'current', role: `targets/${SHA256}` }],
    [`${longest}.json`, { form: 'current', role: longest }],
    [`${deepest}.json`, { form: 'current', role: deepest }],
    ['3.root.json', { form: 'version', role: 'root', version: 3 }],
    ['007.timestamp.json', { form: 'version', role: 'timestamp', version: 7 }],
    ['0.root.json', { form: 'version', role: 'root', version: 0 }],
    ['1.targets/releases.json', { form: 'version', role: 'targets/releases', version: 1 }],
    ['2147483647.root.json', { form: 'version', role: 'root', version: 2_147_483_647 }],
    ['timestamp.key', { form: 'key', role: 'timestamp' }],
    ['snapshot.key', { form: 'key', role: 'snapshot' }],
  ]
  for (const [file, form] of forms) assert.deepEqual(parseTufFile(file), form, file)
})

test('nothing else is a file', () => {
  const files = [
    [`targets/${'a'.repeat(248)}.json`, `targets${'/a'.repeat(33)}.json`],
    ['', '.json', 'root', 'root.JSON', 'Root.json', 'root.json/', 'root.json.json', 'foo.json', 'root .json'],
    ['targets/.json', 'targets//a.json', 'targets/A.json', 'targets/a b.json', 'targets/a.b.json', 'root/a.json'],
    [`root.${SHA256.slice(1)}.json`, `root.${SHA256}00.json`, `root.${'a'.repeat(96)}.json`, `.${SHA256}.json`],
    [`root.${'a'.repeat(128)}.json`, `root.${'g'.repeat(64)}.json`, `1.root.${SHA256}.json`, 'root.1.json'],
    ['-1.root.json', '+1.root.json', '1.5.root.json', '1e0.root.json', '0x1.root.json', '1..root.json', '1.json'],
    ['99999999999999999999.root.json', '4294967296.root.json', '١.root.json', '1.root.json\n', 'root.json\n'],
    ['root.key', 'targets.key', 'targets/a.key', 'Timestamp.key', '1.timestamp.key', 'timestamp.key/', '.key'],
  ].flat()
  for (const file of files) assert.equal(parseTufFile(file), undefined, file)
})

test('the parser copes with a path of any length', () => {
  const parts = ['.', '1.', 'a.', 'targets/', '/_trust/tuf/', `.${SHA256}`, '0']
  for (const part of parts) assert.equal(parseTufFile(`${part.repeat(8_192 / part.length)}!.json`), undefined)
})
