import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { TrustError } from '../../src/errors.ts'
import { readAnchorOf } from '../../src/store/anchor.ts'
import { auditStore, type Finding } from '../../src/store/audit/audit.ts'
import { Database } from '../../src/store/database/database.ts'
import { encodeDocument, encodeFormat, encodeKeys, encodeOwner, encodeValue } from '../../src/store/encoding.ts'
import {
  documentKey,
  formatKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  ownerKey,
  recordKey,
  versionKey,
} from '../../src/store/keyspace.ts'
import { FORMAT_VERSION } from '../../src/store/intact.ts'
import { openStore, type LevelStore, type StoreOptions } from '../../src/store/level-store.ts'
import { entryBytes, parseEntry } from '../../src/store/journal.ts'
import type { JournalEntry, StoredKey } from '../../src/store/store.ts'
import { parseGun, SERVER } from '../../src/tuf/gun.ts'
import { commitOf, createStore, documentOf, lose, newStore, spoil, storePlace } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const COMMITS = 60

/** Returns a closed store with some content. */
async function filled(t: TestContext): Promise<StoreOptions> {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  for (let number = 0; number < COMMITS; number += 1) {
    await store.commit(commitOf(`example.org/r${number % 6}`, Math.floor(number / 6), [content(number)]))
  }
  await store.close()
  return place
}

const content = (number: number): ReturnType<typeof documentOf> =>
  documentOf('targets', Math.floor(number / 6) + 1, `${number} `.repeat(300))

/** Returns why opening fails, or the findings of an audit. */
async function look(place: StoreOptions): Promise<string[]> {
  let store: LevelStore
  try {
    store = await openStore(place)
  } catch (error) {
    assert.ok(error instanceof TrustError, String(error))
    assert.ok(error.code === 'DATA_DAMAGED' || error.code === 'DATA_MISSING', error.code)
    return [error.message]
  }
  const findings: Finding[] = []
  const snapshot = await store.snapshot()
  try {
    await auditStore(snapshot, (finding) => findings.push(finding))
  } catch (error) {
    assert.ok(error instanceof TrustError, String(error))
    findings.push({ severity: 'error', text: error.message })
  } finally {
    await snapshot.close()
    const lost = lostDocuments(store)
    await store.close()
    assert.ok(lost === 0 || findings.length > 0, `${lost} documents lost without a finding`)
  }
  return findings.map(({ text }) => text)
}

/** Counts the documents that cannot be read; asserts that all others have the committed bytes. */
function lostDocuments(store: LevelStore): number {
  let lost = 0
  for (let number = 0; number < COMMITS; number += 1) {
    const { version, bytes, sha256 } = content(number)
    for (const at of [{ version }, { sha256 }]) {
      try {
        const document = store.document(parseGun(`example.org/r${number % 6}`), 'targets', at)
        if (document === undefined) lost += 1
        else assert.ok(Buffer.from(bytes).equals(document.bytes), 'wrong bytes served')
      } catch (error) {
        if (!(error instanceof TrustError)) throw error
        lost += 1
      }
    }
  }
  return lost
}

const key = (pending: boolean): StoredKey => ({
  ...{ role: 'timestamp', keyId: 'a'.repeat(64), keytype: 'ed25519', public: 'AA==', pending, createdAt: 0 },
  sealed: Buffer.from('sealed'),
})

async function payloadOf({ directory }: StoreOptions, at: Buffer): Promise<Buffer | undefined> {
  await using database = await Database.open(directory, false)
  return database.get(at)
}

async function write({ directory }: StoreOptions, at: Buffer, payload: Buffer): Promise<void> {
  await using database = await Database.open(directory, false)
  await database.write([{ key: at, payload }])
}

async function remove({ directory }: StoreOptions, at: Buffer): Promise<void> {
  await using database = await Database.open(directory, false)
  await database.write([{ key: at }])
}

const filesOf = async (place: StoreOptions, pattern: RegExp): Promise<string[]> =>
  (await readdir(place.directory)).filter((name) => pattern.test(name)).map((name) => join(place.directory, name))

test('one flipped bit anywhere in log or tables is found, and wrong bytes are never served', async (t) => {
  const place = await filled(t)
  const good = `${place.directory}-good`
  await cp(place.directory, good, { recursive: true })
  const anchor = await readFile(place.anchorFile)
  let found = 0
  for (let trial = 0; trial < 40; trial += 1) {
    const files = await filesOf(place, /\.(ldb|log)$/)
    const [file = ''] = files.toSorted((one, other) => (trial % 2 === 0 ? 1 : -1) * one.localeCompare(other))
    const { size } = await stat(file)
    if (size > 0) {
      const handle = await open(file, 'r+')
      const at = Math.floor((size * (trial + 0.5)) / 40)
      const byte = Buffer.alloc(1)
      await handle.read(byte, 0, 1, at)
      byte[0] = (byte[0] ?? 0) ^ (1 << (trial % 8))
      await handle.write(byte, 0, 1, at)
      await handle.close()
      found += Number((await look(place)).length > 0)
    }
    await rm(place.directory, { recursive: true })
    await cp(good, place.directory, { recursive: true })
    await writeFile(place.anchorFile, anchor)
  }
  // The other flips hit unused bytes and did no harm: `look` compares with what can be read.
  assert.ok(found >= 20, `${found} of 40 found`)
  assert.deepEqual(await look(place), [])
})

test('a bad byte in the middle of the log refuses the start and leaves the log as it is', async (t) => {
  const place = await filled(t)
  const [log = ''] = await filesOf(place, /\.log$/)
  const good = await readFile(log)
  for (const part of [0.01, 0.3, 0.5, 0.8]) {
    const bad = Buffer.from(good)
    bad[Math.floor(bad.length * part)]! ^= 0x10
    await writeFile(log, bad)
    await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^the log .* is damaged at byte \d+/ })
    assert.ok(bad.equals(await readFile(log)), 'LevelDB did not rewrite the log')
  }
  // LevelDB silently skips blocks of zeros.
  await writeFile(log, Buffer.from(good).fill(0, 40_000, 44_096))
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^the log / })
  await writeFile(log, good)
  assert.deepEqual(await look(place), [])
  // A bad byte in front of a single batch that is longer than a block.
  await commitTwice(place)
  const [last = ''] = await filesOf(place, /\.log$/)
  const bad = await readFile(last)
  bad[20]! ^= 0x10
  await writeFile(last, bad)
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^the log .* is damaged at byte 0,/ })
})

/** Makes two commits, the second longer than a block of the log. @returns the anchor of the first */
async function commitTwice(place: StoreOptions): Promise<Buffer> {
  const store = await openStore(place)
  await store.commit(commitOf('example.org/new', 0, [documentOf('root', 1, 'acknowledged')]))
  await store.readAnchor()
  const anchor = await readFile(place.anchorFile)
  await store.commit(commitOf('example.org/new', 1, [documentOf('root', 2, randomBytes(50_000).toString('hex'))]))
  await store.close()
  return anchor
}

test('a last batch torn by a crash is no damage', async (t) => {
  const place = await filled(t)
  const anchor = await commitTwice(place)
  const good = `${place.directory}-good`
  await cp(place.directory, good, { recursive: true })
  const [log = ''] = await filesOf(place, /\.log$/)
  const whole = await readFile(log)
  for (const torn of [whole.subarray(0, -1), whole.subarray(0, 40_000), Buffer.from(whole).fill(0, 33_000)]) {
    await writeFile(log, torn)
    await writeFile(place.anchorFile, anchor)
    const opened = await openStore(place)
    assert.equal(opened.tail().number, COMMITS + 1)
    await opened.close()
    assert.deepEqual(await look(place), [])
    await rm(place.directory, { recursive: true })
    await cp(good, place.directory, { recursive: true })
  }
})

test('stale batches behind a torn one, left from earlier use of the disk block, are not read as the newest', async (t) => {
  const place = await filled(t)
  const [oldLog = ''] = await filesOf(place, /\.log$/)
  const old = await readFile(oldLog)
  const anchor = await commitTwice(place)
  await writeFile(place.anchorFile, anchor)
  const [log = ''] = await filesOf(place, /\.log$/)
  const block = (await readFile(log)).subarray(0, 32_768)
  const first = old.subarray(0, 7 + old.readUInt16LE(4))
  for (const torn of [block, Buffer.from(block).fill(0, 8_192)]) {
    await writeFile(log, Buffer.concat([torn, first]))
    await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^the log / })
  }
})

test('the end of a log block, too short for another record, is no damage', async (t) => {
  const place = await storePlace(t)
  // Bytes that LevelDB and the seal add to the payload of a one-record batch.
  const AROUND = 57
  for (const left of [1, 6]) {
    const directory = `${place.directory}-${left}`
    const database = await Database.open(directory, true)
    await database.write([{ key: Buffer.of(1), payload: Buffer.alloc(32_768 - AROUND - left) }])
    await database.write([{ key: Buffer.of(2), payload: Buffer.alloc(9) }])
    await database.close()
    const [log = ''] = await filesOf({ ...place, directory }, /\.log$/)
    assert.equal((await stat(log)).size, 32_768 + 64, 'the second batch starts at a block boundary')
    await (await Database.open(directory, false)).close()
  }
})

test('a server log in the data directory, however long, is not taken for LevelDB’s', async (t) => {
  const place = await storePlace(t)
  await mkdir(place.directory)
  const path = join(place.directory, 'countersign.log')
  await writeFile(path, '')
  // Too long to be read into memory.
  await truncate(path, 3 * 1024 ** 3)
  await (await newStore(t, place)).close()
  await (await openStore(place)).close()
})

test('a MANIFEST without its last entry, and then without that table, refuses the start', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  // More than LevelDB buffers before it writes a table.
  for (let number = 0; number < 12; number += 1) {
    const text = randomBytes(500_000).toString('hex')
    await store.commit(commitOf('example.org/big', number, [documentOf('targets', number + 1, text)]))
  }
  // LevelDB deletes the older log once its table is in the MANIFEST.
  await until('the older log to go', async () => (await filesOf(place, /\.log$/)).length === 1)
  await store.close()
  const [manifest = ''] = await filesOf(place, /^MANIFEST/)
  await truncate(manifest, (await stat(manifest)).size - 1)
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^the list of tables MANIFEST-/ })
  // Now the table is gone too.
  const [table = ''] = (await filesOf(place, /\.ldb$/)).toSorted().slice(-1)
  await rm(table)
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^journal entry \d+ is missing/ })
})

test('a table that a crash left behind, before it was in the list, is no damage', async (t) => {
  const place = await filled(t)
  await writeFile(join(place.directory, '000999.ldb'), randomBytes(2_000))
  assert.deepEqual(await look(place), [])
})

test('a damaged place in a table prevents a start only if something needed is missing', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  for (let number = 0; number < 300; number += 1) {
    await store.commit(commitOf(`example.org/r${number}`, 0, [documentOf('targets', 1, `${number} `.repeat(300))]))
  }
  await store.close()
  // Reopening moves the log into a table.
  await (await openStore(place)).close()
  const good = `${place.directory}-good`
  await cp(place.directory, good, { recursive: true })
  const sizes = await Promise.all(
    (await filesOf(place, /\.ldb$/)).map(async (path) => ({ path, size: (await stat(path)).size })),
  )
  const [{ path, size } = { path: '', size: 0 }] = sizes.toSorted((one, other) => other.size - one.size)
  let opened = 0
  for (let trial = 0; trial < 40; trial += 1) {
    const table = await open(path, 'r+')
    await table.write(Buffer.alloc(256), 0, 256, Math.floor(((size - 256) * trial) / 40))
    await table.close()
    const again = await openStore(place).catch((error: unknown) => {
      assert.ok(error instanceof TrustError && error.code === 'DATA_DAMAGED', String(error))
    })
    await again?.close()
    opened += Number(again !== undefined)
    await rm(place.directory, { recursive: true })
    await cp(good, place.directory, { recursive: true })
  }
  assert.ok(opened >= 20, `${opened} of 40`)
})

test('truncated or missing MANIFEST, log and CURRENT are found, and nothing is created anew', async (t) => {
  const place = await filled(t)
  const good = `${place.directory}-good`
  await cp(place.directory, good, { recursive: true })
  const [log = ''] = await filesOf(place, /\.log$/)
  const [manifest = ''] = await filesOf(place, /^MANIFEST/)
  const harms: Record<string, () => Promise<void>> = {
    'the log loses its second half': async () => truncate(log, Math.floor((await stat(log)).size / 2)),
    'the log is gone': () => rm(log),
    'the manifest is cut': async () => truncate(manifest, Math.floor((await stat(manifest)).size / 2)),
    'the manifest is gone': () => rm(manifest),
    'CURRENT is gone': () => rm(join(place.directory, 'CURRENT')),
    'CURRENT is empty': () => truncate(join(place.directory, 'CURRENT'), 0),
  }
  for (const [name, harm] of Object.entries(harms)) {
    await harm()
    const count = (await readdir(place.directory)).length
    assert.notDeepEqual(await look(place), [], name)
    assert.ok((await readdir(place.directory)).length >= count - 1, `${name}: no further file is deleted`)
    await rm(place.directory, { recursive: true })
    await cp(good, place.directory, { recursive: true })
  }
})

test('an older database under a newer anchor is refused, also once it has as many commits', async (t) => {
  const place = await filled(t)
  const old = `${place.directory}-old`
  await cp(place.directory, old, { recursive: true })
  const oldAnchor = await readFile(place.anchorFile)
  const commit = async (text: string): Promise<void> => {
    const store = await openStore(place)
    await store.commit(commitOf('example.org/new', 0, [documentOf('root', 1, text)]))
    await store.close()
  }
  await commit('new')
  const anchor = await readFile(place.anchorFile)
  await rm(place.directory, { recursive: true })
  await cp(old, place.directory, { recursive: true })
  await assert.rejects(openStore(place), {
    code: 'DATA_DAMAGED',
    message: /older than its anchor: it ends with commit 60, the anchor with 61$/,
  })
  await writeFile(place.anchorFile, oldAnchor)
  await commit('other')
  await writeFile(place.anchorFile, anchor)
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^journal entry 61 is not the one / })
})

test('a database ahead of its anchor by a killed process’s commits is rolled forward', async (t) => {
  const place = await filled(t)
  const anchor = await readFile(place.anchorFile)
  const store = await openStore(place)
  for (let number = 0; number < 3; number += 1) {
    await store.commit(commitOf('example.org/new', number, [documentOf('root', number + 1, `${number}`)]))
  }
  await store.close()
  await writeFile(place.anchorFile, anchor)
  assert.deepEqual(await look(place), [])
  assert.notDeepEqual(await readFile(place.anchorFile), anchor, 'it names the end again')
  // An entry that does not follow the anchor was not written by this server.
  await writeFile(place.anchorFile, anchor)
  const at = journalKey(COMMITS + 2)
  const entry = parseEntry((await payloadOf(place, at))!)
  await write(place, at, entryBytes({ ...entry, previous: '0'.repeat(64) }))
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /^journal entry 62 .* does not follow it$/ })
  await remove(place, at)
  await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: 'journal entry 62 is missing' })
})

test('a missing, empty, forged or foreign anchor is refused', async (t) => {
  const place = await filled(t)
  const anchor = await readFile(place.anchorFile)
  const other = await storePlace(t)
  await createStore(other)
  const sibling = { ...(await storePlace(t)), anchorKey: place.anchorKey }
  await createStore(sibling)
  const harms: Record<string, () => Promise<void>> = {
    gone: () => rm(place.anchorFile),
    empty: () => writeFile(place.anchorFile, ''),
    forged: () => writeFile(place.anchorFile, anchor.toString().replaceAll(/"number":\d+/g, '"number":3')),
    foreign: () => cp(other.anchorFile, place.anchorFile),
    'of another store with the same keys': () => cp(sibling.anchorFile, place.anchorFile),
  }
  for (const [name, harm] of Object.entries(harms)) {
    await harm()
    await assert.rejects(openStore(place), { code: 'DATA_DAMAGED' }, name)
    await writeFile(place.anchorFile, anchor)
  }
  const foreignKey = { ...place, anchorKey: other.anchorKey }
  await assert.rejects(openStore(foreignKey), { code: 'DATA_DAMAGED' })
})

test('an anchor with one slot torn by a crash is read from the other slot', async (t) => {
  const place = await filled(t)
  const anchor = await readFile(place.anchorFile)
  // Keep the slot with the newest anchor and spoil the other one, which the next write would replace.
  const newest = anchor.subarray(0, 512).toString().includes(`"number":${COMMITS},`) ? 0 : 1
  anchor.fill(0x78, (1 - newest) * 512, (1 - newest) * 512 + 200)
  await writeFile(place.anchorFile, anchor)
  assert.deepEqual(await look(place), [])
})

test('the last anchor known to be on the disk stays in its slot while further ones wait for the disk', async (t) => {
  const place = await filled(t)
  const store = await openStore(place)
  t.after(() => store.close())
  let revision = 0
  const commit = async (): Promise<void> => {
    await store.commit(commitOf('example.org/new', revision, [documentOf('root', revision + 1, `${revision}`)]))
    revision += 1
    await store.readAnchor()
  }
  const isThere = async (number: number): Promise<boolean> =>
    (await readFile(place.anchorFile, 'utf8')).includes(`"number":${number},`)
  const kept: boolean[] = []
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const file = await open(place.anchorFile)
  t.mock.method(Object.getPrototypeOf(file) as typeof file, 'datasync', async () => {
    if (kept.length === 3) return resolve()
    await commit()
    kept.push(await isThere(COMMITS))
  })
  await file.close()
  await commit()
  await enough
  assert.deepEqual(kept, [true, true, true])
  // The fourth sync found nothing new: the next write goes to the other slot.
  await setImmediate()
  await commit()
  assert.ok(await isThere(COMMITS + 4))
})

for (const commits of [1, 2]) {
  const when = commits === 1 ? 'after' : 'between'
  test(`a failed anchor write is noticed ${when} the next commits, and nothing is written until the anchor is`, async (t) => {
    const place = await filled(t)
    const told: unknown[] = []
    const others = [{ close: async () => void told.push(store.readiness()), open: async () => {} }]
    const store = await openStore({ ...place, others })
    t.after(() => store.close())
    const file = await open(place.anchorFile)
    const { promise: refused, resolve } = Promise.withResolvers<void>()
    const datasync = t.mock.method(Object.getPrototypeOf(file) as typeof file, 'datasync', async () => {
      resolve()
      throw new Error('EIO')
    })
    await file.close()
    const commit = (revision: number): Promise<number> =>
      store.commit(commitOf('example.org/new', revision, [documentOf('root', revision + 1, `${revision}`)]))
    await commit(0)
    await refused
    datasync.mock.restore()
    const next: Promise<number>[] = []
    for (let revision = 1; revision <= commits; revision += 1) {
      next.push(commit(revision))
      // The second one waits while the first one is written.
      for (const _ of [1, 2]) await setImmediate()
    }
    await Promise.all(next)
    await until('the failed anchor write to be noticed', () => told.length > 0)
    await until('the anchor to be written', () => store.readiness().writable)
    const reason = `a write failed: cannot write the anchor file ${place.anchorFile}: EIO`
    assert.deepEqual(told, [{ writable: false, reason }])
    assert.equal((await store.readAnchor()).number, COMMITS + 1 + commits)
  })
}

test('a copy fails when its anchor cannot be written', async (t) => {
  const place = await filled(t)
  const store = await openStore(place)
  t.after(() => store.close())
  const file = await open(place.anchorFile)
  t.mock.method(Object.getPrototypeOf(file) as typeof file, 'sync', async function (this: typeof file) {
    if ((await this.stat()).isFile()) throw new Error('EDQUOT')
  })
  await file.close()
  const copy = await storePlace(t)
  const message = `cannot create the anchor file ${copy.anchorFile}: EDQUOT`
  await assert.rejects(store.copyTo(copy), { code: 'STORE_UNAVAILABLE', message })
})

test('an anchor appears only once it is on the disk, and then its name is put there too', async (t) => {
  const place = await storePlace(t)
  const file = await open(import.meta.filename)
  const isThere: boolean[] = []
  const sync = t.mock.method(Object.getPrototypeOf(file) as typeof file, 'sync', async () => {
    isThere.push(existsSync(place.anchorFile))
  })
  await file.close()
  await createStore(place)
  // The database's directory, the new file, the directory of the anchor.
  assert.deepEqual(isThere, [false, false, true])
  sync.mock.restore()
})

test('an anchor that the disk cannot read is reported with a hint', async (t) => {
  const { anchorKey } = await storePlace(t)
  // Address 0 of a process is not mapped, so reading it fails.
  await assert.rejects(readAnchorOf('/proc/self/mem', anchorKey), {
    code: 'DATA_DAMAGED',
    message: 'cannot read the anchor file /proc/self/mem: EIO: i/o error',
    hint: /^restore the anchor from a backup/,
  })
})

test('records swapped or added in the files are found', async (t) => {
  const place = await filled(t)
  const database = await Database.open(place.directory, false)
  const [one, other] = ['example.org/r0', 'example.org/r1'].map((name) => headKey(parseGun(name)))
  const payload = database.get(other ?? Buffer.alloc(0))
  await database.write([{ key: one ?? Buffer.alloc(0), ...(payload === undefined ? {} : { payload }) }])
  await database.write([{ key: headKey(parseGun('example.org/stray')), payload: Buffer.from('{}') }])
  await database.write([{ key: Buffer.from('zzz'), payload: Buffer.from('what') }])
  await database.close()
  const texts = await look(place)
  assert.ok(texts.some((text) => text.includes('its head is not the one that the journal names')))
  assert.ok(texts.some((text) => text.includes('head example.org/stray" is in no journal entry')))
  assert.ok(texts.some((text) => text.includes('7a7a7a" is in no journal entry')))
})

test('records rewritten with a correct hash are found, whatever their kind', async (t) => {
  const place = await storePlace(t)
  const first = await newStore(t, place)
  const gun = parseGun('example.org/a')
  const [one, two] = [documentOf('targets', 1, 'one'), documentOf('targets', 2, 'two')]
  const records = [{ kind: 'user' as const, name: 'alice', value: 'may read' }]
  await first.commit(commitOf(gun, 0, [one], { keys: [key(true)], records }))
  await first.commit(commitOf(gun, 1, [two]))
  await first.commit(commitOf('example.org/b', 0, [one]))
  await first.close()
  const entry = async (number: number): Promise<JournalEntry> =>
    parseEntry((await payloadOf(place, journalKey(number)))!)
  const other = encodeDocument({ version: 1, createdAt: 0, packed: { form: 'whole', bytes: Buffer.from('other') } })
  const another = { ...key(true), keyId: 'b'.repeat(64) }
  const written: [Buffer, Buffer, RegExp][] = [
    [documentKey(gun, 'targets', one.sha256), other, /^targets version 1 is not what was committed$/],
    [versionKey(gun, 'targets', 1), Buffer.from(two.sha256, 'hex'), /^targets version 1 is not what was committed$/],
    [keysKey(gun, 'timestamp'), encodeKeys([key(true), another]), /^the timestamp key b+ is not in the journal$/],
    [
      keysKey(gun, 'timestamp'),
      encodeKeys([{ ...key(true), sealed: Buffer.from('x') }]),
      /^the timestamp key a+ is missing or was changed$/,
    ],
    [ownerKey(key(true).keyId), encodeOwner({ gun, role: 'snapshot' }), /^the owner of key a+ is not the one /],
    [recordKey('user', 'alice'), encodeValue('may sign'), /^the user "alice" is missing or was changed$/],
    [journalKey(1), entryBytes({ ...(await entry(1)), kind: 'renew' }), /^journal entry 2 does not follow/],
    [
      journalKey(3),
      entryBytes({ ...(await entry(3)), kind: 'renew' }),
      /^journal entry 3 is not the one that the anchor/,
    ],
  ]
  for (const [at, payload, finding] of written) {
    const before = (await payloadOf(place, at))!
    await write(place, at, payload)
    const texts = await look(place)
    assert.ok(
      texts.some((text) => finding.test(text)),
      `${String(finding)}: ${texts.join()}`,
    )
    await write(place, at, before)
  }
  await remove(place, historyKey(gun, 2))
  assert.ok((await look(place)).includes('the record "history example.org/a 2" is missing'))
})

test('an audit reports records that cannot be listed, even if each can be read', async (t) => {
  const place = await filled(t)
  const store = await openStore(place)
  t.after(() => store.close())
  const snapshot = await store.snapshot()
  const rawEntries = (): never => {
    throw new TrustError('CORRUPT', 'the database cannot be read')
  }
  const records = Object.assign(Object.create(snapshot.records) as typeof snapshot.records, { rawEntries })
  const texts: string[] = []
  await auditStore({ ...snapshot, records }, ({ text }) => texts.push(text))
  await snapshot.close()
  assert.deepEqual(texts, ['the records from "the first one" on cannot be listed: the database cannot be read'])
})

test('openStore and createStore refuse a missing, existing, newer or locked database', async (t) => {
  const place = await storePlace(t)
  await assert.rejects(openStore(place), { code: 'DATA_MISSING' })
  const store = await newStore(t, place)
  for (const again of [createStore, openStore]) await assert.rejects(again(place), { code: 'DATA_LOCKED' })
  await store.close()
  await assert.rejects(createStore(place), { code: 'DATA_EXISTS' })
  const database = await Database.open(place.directory, false)
  const format = { version: FORMAT_VERSION + 1, store: 'x' }
  await database.write([{ key: formatKey(), payload: encodeFormat(format) }])
  await database.close()
  await assert.rejects(openStore(place), { code: 'DATA_NEWER', message: /format 2/ })
})

test('an unreadable data directory is neither created anew nor reported as missing', async (t) => {
  const { directory } = await storePlace(t)
  await mkdir(directory)
  await symlink('CURRENT', join(directory, 'CURRENT'))
  for (const create of [true, false]) {
    await assert.rejects(Database.open(directory, create), {
      code: 'DATA_DAMAGED',
      message: `cannot look into ${directory}: ELOOP: too many symbolic links encountered`,
    })
  }
  assert.deepEqual(await readdir(directory), ['CURRENT'])
})

test('a damaged record raises no finding against others', async (t) => {
  const place = await filled(t)
  await spoil(place, documentKey(parseGun('example.org/r0'), 'targets', content(0).sha256))
  const found = await look(place)
  assert.ok(found.length > 0)
  assert.deepEqual(
    found.filter((text) => text.includes('in no journal entry')),
    [],
  )
})

test('a missing head is damage: the repository is neither read nor written as a new one', async (t) => {
  const place = await filled(t)
  const gun = parseGun('example.org/r0')
  const database = await Database.open(place.directory, false)
  await database.write([{ key: headKey(gun) }])
  await database.close()
  const store = await openStore(place)
  t.after(() => store.close())
  const missing = { code: 'CORRUPT', message: /^the store lacks the head of example\.org\/r0$/ }
  assert.throws(() => store.head(gun), missing)
  await assert.rejects(store.commit(commitOf(gun, 0, [documentOf('root', 1, 'of somebody else')])), missing)
  assert.equal(store.head(parseGun('example.org/never')), undefined)
})

test('each damaged record is one finding, and sound ones are not mentioned', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const records = ['alice', 'bob'].map((name) => ({ kind: 'user' as const, name, value: { name } }))
  await store.commit(commitOf('example.org/a', 0, [], { kind: 'record', records }))
  await store.close()
  await spoil(place, recordKey('user', 'alice'))
  await spoil(place, headKey(parseGun('example.org/a')))
  const found = await look(place)
  for (const name of ['user alice', 'head example.org/a']) {
    assert.ok(found.includes(`the record "${name}" is damaged`), found.join())
  }
  assert.ok(!found.some((text) => text.includes('bob')))
})

test('a damaged journal entry raises no finding against later entries', async (t) => {
  const place = await filled(t)
  await spoil(place, journalKey(7))
  const found = await look(place)
  assert.ok(found.includes('the record "journal 7" is damaged'), found.join())
  // The records of that commit are in no other entry.
  assert.ok(
    found.every((text) => text.includes('journal 7"') || text.endsWith('" is in no journal entry')),
    found.join(),
  )
  assert.ok(found.length < 6, found.join())
})

test('a commit refused for damage leaves nothing in the batch that it shared', async (t) => {
  const place = await storePlace(t)
  const first = await newStore(t, place)
  await first.commit(commitOf('example.org/a', 0, [documentOf('targets', 1, 'one')], { keys: [key(true)] }))
  await first.close()
  await spoil(place, keysKey(parseGun('example.org/a'), 'timestamp'))
  const store = await openStore(place)
  t.after(() => store.close())
  const results = await Promise.allSettled([
    store.commit(commitOf('example.org/a', 1, [documentOf('targets', 2, 'two')], { keys: [key(false)] })),
    store.commit(commitOf('example.org/b', 0, [documentOf('targets', 1, 'other')])),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  )
  assert.equal(store.document(parseGun('example.org/a'), 'targets', { version: 2 }), undefined)
})

test('a database with records but no journal is not taken for a new store', async (t) => {
  const place = await storePlace(t)
  const database = await Database.open(place.directory, true)
  await database.write([{ key: headKey(parseGun('example.org/left')), payload: Buffer.from('{}') }])
  await database.close()
  await assert.rejects(createStore(place), { code: 'DATA_EXISTS' })
})

test('a damaged database that createStore refuses is closed again', async (t) => {
  const place = await filled(t)
  // Reopening moves the log into a table.
  await (await openStore(place)).close()
  await rm(place.anchorFile)
  for (const path of await filesOf(place, /\.ldb$/)) await writeFile(path, Buffer.alloc((await stat(path)).size))
  for (let trial = 0; trial < 2; trial += 1) await assert.rejects(createStore(place), { code: 'CORRUPT' })
})

test('missing records are known from the journal, except those of a damaged entry', async (t) => {
  const place = await storePlace(t)
  const first = await newStore(t, place)
  let revision = 0
  const write = (store: LevelStore, name: string, value: unknown): Promise<number> =>
    store.commit(
      commitOf('example.org/none', revision++, [], {
        gun: SERVER,
        kind: 'record',
        records: [{ kind: 'policy', name, value }],
      }),
    )
  for (const name of ['a', 'b', 'c']) await write(first, name, name)
  const records = [{ kind: 'user' as const, name: 'u', value: 'of another kind' }]
  await first.commit(commitOf('example.org/none', revision++, [], { gun: SERVER, kind: 'record', records }))
  const number = await write(first, 'd', 'd')
  await write(first, 'b', null)
  await first.close()
  await lose(place, recordKey('policy', 'a'))
  await spoil(place, journalKey(number))
  const store = await openStore(place)
  t.after(() => store.close())
  assert.deepEqual([store.record('policy', 'a'), store.record('policy', 'd')], [undefined, 'd'])
  const recorded = await store.recorded('policy')
  assert.deepEqual([...recorded], ['a', 'c'])
  await write(store, 'e', 'e')
  await write(store, 'c', null)
  assert.deepEqual(
    ['a', 'c', 'e'].map((name) => recorded.has(name)),
    [true, false, true],
  )
})
