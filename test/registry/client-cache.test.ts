import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { clientCache } from '../../src/registry/client-cache.ts'
import { readTrustData } from '../../src/registry/trust-data.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { fileMeta, signedFile } from '../support/metadata-file.ts'
import { makeKey } from '../support/test-key.ts'

const GUN = parseGun('docker.io/library/alpine')
const KEY = makeKey('ed25519')
const EXPIRES = '2030-01-01T00:00:00Z'
const file = (type: string, version: number, more: object): Buffer =>
  signedFile({ _type: type, expires: EXPIRES, version, ...more }, [])

/** Returns the documents of a repository as a client caches them, by file name. */
function documents(): Record<string, Buffer> {
  const root = file('Root', 3, { keys: {}, roles: {} })
  const roles = [{ keyids: [KEY.id], name: 'targets/releases', paths: [''], threshold: 1 }]
  const targets = file('Targets', 2, { delegations: { keys: { [KEY.id]: KEY.entry }, roles }, targets: {} })
  const releases = file('Targets', 5, { targets: {} })
  const meta = { root: fileMeta(root), targets: fileMeta(targets), 'targets/releases': fileMeta(releases) }
  const snapshot = file('Snapshot', 4, { meta })
  const timestamp = file('Timestamp', 9, { meta: { snapshot: fileMeta(snapshot) } })
  return { timestamp, snapshot, root, targets, 'targets/releases': releases }
}

/** Makes a client's trust directory with these files of a repository. */
async function cache(t: TestContext, files: Record<string, Buffer>, gun: string = GUN): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-cache-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(directory, 'tuf', gun, 'metadata', `${name}.json`)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return directory
}

test('all cached documents are read byte for byte', async (t) => {
  const files = documents()
  const directory = await cache(t, files)
  const found = await readTrustData(clientCache(directory, GUN), GUN)
  assert.deepEqual(
    found,
    Object.entries(files).map(([role, bytes]) => ({ role, bytes })),
  )
})

test('older roots added to the cache are read, and the current one by its version', async (t) => {
  const older = { '2.root': file('Root', 2, { keys: {} }), '1.root': file('Root', 1, { keys: {} }) }
  const source = clientCache(await cache(t, { ...documents(), ...older }), GUN)
  const found = await readTrustData(source, GUN)
  assert.deepEqual(
    found.slice(3, 5).map(({ bytes }) => bytes),
    [older['2.root'], older['1.root']],
  )
  assert.deepEqual(await source.document('root', { version: 3 }), documents()['root'])
  assert.equal(await source.document('root', { version: 4 }), undefined)
  assert.equal(await source.document('targets/none', { version: 1 }), undefined)
  assert.deepEqual(await source.document('targets', { version: 2 }), documents()['targets'])
})

test('a cache that lacks a role because its client never read the repository is reported as such, with a hint', async (t) => {
  for (const role of ['timestamp', 'snapshot', 'root', 'targets']) {
    const { [role]: _, ...others } = documents()
    const directory = await cache(t, others)
    await assert.rejects(readTrustData(clientCache(directory, GUN), GUN), {
      code: 'REGISTRY',
      message: `${directory} has no ${role} of ${GUN}: this client has not read it yet`,
      hint: /^have the client read it/,
    })
  }
})

test('cached documents that do not belong together are reported', async (t) => {
  for (const [role, by] of [
    ['snapshot', 'timestamp'],
    ['root', 'snapshot'],
    ['targets/releases', 'snapshot'],
  ] as const) {
    const directory = await cache(t, { ...documents(), [role]: file('Targets', 77, {}) })
    await assert.rejects(readTrustData(clientCache(directory, GUN), GUN), {
      code: 'REGISTRY',
      message: `the ${role} in ${directory} is not the one that the ${by} there names`,
      hint: /docker trust inspect NAME, .*; if its server is gone, use the cache of another client$/,
    })
  }
})

test('a missing directory, repository or root and an invalid file are reported', async (t) => {
  const directory = await cache(t, documents())
  const missing = join(directory, 'missing')
  const inFile = join(directory, 'tuf', GUN, 'metadata', 'root.json')
  for (const other of [missing, join(directory, 'tuf'), inFile]) {
    await assert.rejects(readTrustData(clientCache(other, GUN), GUN), {
      code: 'NOT_FOUND',
      message: `${other} is not a trust directory of docker or notary`,
      hint: /~\/\.docker\/trust/,
    })
  }
  const other = parseGun('docker.io/library/other')
  await assert.rejects(readTrustData(clientCache(directory, other), other), {
    code: 'NOT_FOUND',
    message: `${directory} has no trust data for docker.io/library/other`,
  })
  const metadata = join(directory, 'tuf', GUN, 'metadata')
  await rm(join(metadata, 'targets/releases.json'))
  // Clients do not cache a delegation that they skip, for example an expired one.
  const kept = await readTrustData(clientCache(directory, GUN), GUN)
  assert.equal(
    kept.some(({ role }) => role === 'targets/releases'),
    false,
  )
  await mkdir(join(metadata, 'targets/releases.json'))
  await assert.rejects(readTrustData(clientCache(directory, GUN), GUN), {
    code: 'REGISTRY',
    message: /releases\.json is not a file$/,
  })
  await writeFile(join(metadata, 'root.json'), 'no JSON')
  const source = clientCache(directory, GUN)
  await assert.rejects(source.document('root', { version: 1 }), { message: /has a root that cannot be used/ })
})

test('a delegation that targets dropped may be missing from the cache', async (t) => {
  const targets = file('Targets', 3, { targets: {} })
  const { root, 'targets/releases': releases } = documents()
  const meta = { root: fileMeta(root!), targets: fileMeta(targets), 'targets/releases': fileMeta(releases!) }
  const snapshot = file('Snapshot', 5, { meta })
  const timestamp = file('Timestamp', 10, { meta: { snapshot: fileMeta(snapshot) } })
  const directory = await cache(t, { root: root!, targets, snapshot, timestamp })
  const found = await readTrustData(clientCache(directory, GUN), GUN)
  assert.deepEqual(
    found.map(({ role }) => role),
    ['timestamp', 'snapshot', 'root', 'targets'],
  )
})

test('files larger than clients accept are refused', async (t) => {
  const directory = await cache(t, documents())
  for (const [role, bytes] of [
    ['timestamp', 1024 * 1024],
    ['root', 11 * 1024 * 1024],
  ] as const) {
    const path = join(directory, 'tuf', GUN, 'metadata', `${role}.json`)
    await truncate(path, bytes)
    assert.equal((await clientCache(directory, GUN).document(role))?.length, bytes)
    await truncate(path, bytes + 1)
    await assert.rejects(clientCache(directory, GUN).document(role), {
      code: 'REGISTRY',
      message: `${path} has more than ${bytes} bytes`,
    })
  }
})

test('a pipe or device is refused at once, and an unreadable file is not taken for missing', async (t) => {
  const directory = await cache(t, documents())
  const path = join(directory, 'tuf', GUN, 'metadata', 'root.json')
  const refusal = { code: 'REGISTRY', message: `${path} is not a file` }
  await rm(path)
  execFileSync('mkfifo', [path])
  await assert.rejects(clientCache(directory, GUN).document('root'), refusal)
  await rm(path)
  await symlink('/dev/zero', path)
  await assert.rejects(clientCache(directory, GUN).document('root'), refusal)
  // A file that cannot be read still exists.
  await rm(path)
  await symlink(path, path)
  await assert.rejects(clientCache(directory, GUN).document('root'), {
    code: 'REGISTRY',
    message: /^cannot read .*root\.json: ELOOP/,
  })
})

test('no repository name leads out of the directory', async (t) => {
  for (const name of ['..', '../tuf/x', 'a/../../b', 'a/..', './a', '/etc', 'a//b', 'a\\..\\b', 'a\0b', '']) {
    assert.throws(() => parseGun(name), { code: 'INVALID_GUN' }, name)
  }
  for (const name of ['localhost:5000/a b/\u00fc', '%2e%2e/%2e%2e', '.../x', '~/x', '$HOME', '..a/b..']) {
    const gun = parseGun(name)
    const directory = await cache(t, documents(), name)
    assert.deepEqual(await clientCache(directory, gun).document('root'), documents()['root'], name)
    assert.equal((await readTrustData(clientCache(directory, gun), gun)).length, 5)
  }
})
