import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, cp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Level } from 'level'
import { check } from '../../src/repository/check.ts'
import { damagedFiles, hasTrap } from '../../src/store/database/damaged-files.ts'
import { disarm } from '../../src/store/database/disarm.ts'
import { openStore, type LevelStore, type StoreOptions } from '../../src/store/level-store.ts'
import { FOOTER_BYTES, namedIn, placesIn, UNREADABLE, type Place } from '../../src/store/leveldb/table-file.ts'
import { withoutTraps } from '../../src/store/repair/mended-table.ts'
import { until } from '../support/until.ts'
import { commitOf, createStore, documentOf, storePlace } from '../support/test-store.ts'

/** Reads all records as the server does. */
const READER = `
  import { Database } from '${new URL('../../src/store/database/database.ts', import.meta.url).href}'
  const database = await Database.open(process.argv[1], false)
  try {
    for await (const { key } of database.rawEntries({})) database.raw(key)
  } catch (error) {
    console.log(error.code)
  }
  await database.close()
`

/** @returns the signal that ended a process reading all records, or what it printed */
async function readAll(directory: string): Promise<string> {
  const options = ['--input-type=module', '--eval', READER, directory]
  const run = promisify(execFile)(process.execPath, options)
  return run.then(
    ({ stdout }) => stdout.trim(),
    (error: { signal: string }) => error.signal,
  )
}

/** Methods that Level has in Node but not in its types. */
interface ClassicLevel {
  compactRange(start: Buffer, end: Buffer): Promise<void>
  close(): Promise<void>
}

/** Nothing was found, or the damage was reported. */
const SURVIVED = /^(?:|CORRUPT)$/

describe('files of a database are checked against their checksums', () => {
  const ends: (() => Promise<void>)[] = []
  let place: StoreOptions
  /** The directory of the undamaged database. */
  let whole: string
  let name: string
  let path: string
  let table: Buffer
  let places: { index: Place; meta: Place; records: Place[]; filters: Place[] }

  before(async () => {
    place = await storePlace({ after: (end) => ends.push(end) })
    await createStore(place)
    const store = await openStore(place)
    // Random text, so that LevelDB stores some blocks uncompressed.
    for (let number = 0; number < 80; number += 1) {
      const documents = [documentOf('targets', 1, randomBytes(1500).toString('hex'))]
      await store.commit(commitOf(`example.org/r${number}`, 0, documents))
    }
    await store.close()
    // Reopening moves the log into a table.
    await (await openStore(place)).close()
    whole = `${place.directory}-whole`
    await cp(place.directory, whole, { recursive: true })
    await copyFile(place.anchorFile, `${whole}-anchor`)
    const names = (await readdir(whole)).filter((each) => each.endsWith('.ldb'))
    const tables = await Promise.all(names.map(async (each) => [each, await readFile(join(whole, each))] as const))
    ;[name, table] = tables.toSorted(([, one], [, other]) => other.length - one.length)[0]!
    path = join(place.directory, name)
    const { index, meta } = namedIn(table)
    places = { index, meta, records: placesIn(table, index), filters: placesIn(table, meta) }
  })
  after(async () => {
    for (const end of ends) await end()
  })
  beforeEach(async () => {
    await rm(place.directory, { recursive: true })
    await cp(whole, place.directory, { recursive: true })
    await copyFile(`${whole}-anchor`, place.anchorFile)
  })

  const texts = async (): Promise<string[]> => (await damagedFiles(place.directory)).map(({ text }) => text)

  const blockCount = (): number => places.records.length + places.filters.length

  /** Writes the table with a change. */
  async function harm(change: (bytes: Buffer) => void): Promise<void> {
    const bytes = Buffer.from(table)
    change(bytes)
    await writeFile(path, bytes)
  }

  const zeros =
    ({ at, bytes }: Place, left = 0) =>
    (table: Buffer): void =>
      void table.fill(0, at, at + bytes - left)

  /** Rewrites a block: uncompressed, filled by one entry, with a wrong checksum. */
  function oneEntry(table: Buffer, { at, bytes }: Place, key: string, value: Buffer): void {
    table.fill(0, at, at + bytes + 5)
    const length = bytes - 8 - 4 - key.length
    table.set([0, key.length, (length & 127) | 128, length >> 7, ...Buffer.from(key, 'latin1'), ...value], at)
    table.writeUInt32LE(1, at + bytes - 4)
  }

  /** Rewrites a block: uncompressed, with these entries, which LevelDB finds in the order of `starts`. */
  function entries(table: Buffer, { at, bytes }: Place, list: readonly Buffer[], starts: readonly number[]): void {
    table.fill(0, at, at + bytes + 5)
    Buffer.concat(list).copy(table, at)
    const offsets = starts.map((number) => Buffer.concat(list.slice(0, number)).length)
    for (const [index, value] of [...offsets, starts.length].entries()) {
      table.writeUInt32LE(value, at + bytes - 4 * (starts.length + 1 - index))
    }
  }

  /** Returns an uncompressed block. */
  function unpacked(number = 0): Place {
    const raw = places.records.filter(({ at, bytes }) => table[at + bytes] === 0)[number]
    assert.ok(raw !== undefined)
    return raw
  }

  test('one flipped bit anywhere in a table is found; a sound table has no finding', async () => {
    assert.deepEqual(await texts(), [])
    const blocks = blockCount()
    assert.ok(blocks > 20)
    const one = [`the table ${name} is damaged: 1 of ${blocks} blocks is not as written`]
    for (let trial = 0; trial < 60; trial += 1) {
      const at = Math.floor((places.meta.at * (trial + 0.5)) / 60)
      await harm((bytes) => (bytes[at]! ^= 1 << (trial % 8)))
      const [found = '', ...more] = await texts()
      assert.deepEqual([found.replace(/, and may end.*/, ''), ...more], one, String(at))
    }
    for (const [at, what] of [
      [places.meta.at + 1, 'its list of filters'],
      [places.index.at + 1, 'its index'],
      [table.length - 1, 'its end'],
    ] as const) {
      await harm((bytes) => (bytes[at]! ^= 1))
      const [found = ''] = await texts()
      assert.ok(found.startsWith(`the table ${name} is damaged: ${what} is not as written`), found)
    }
    await truncate(path, 20)
    assert.deepEqual(await texts(), [`the table ${name} is damaged: its end is not as written`])
  })

  test('damage that would crash LevelDB is recognised before LevelDB reads it', async () => {
    // All but the end is zero: entries whose keys are too short.
    await harm(zeros(unpacked(), 8))
    assert.equal(await readAll(place.directory), 'SIGABRT')
    const damage = await damagedFiles(place.directory)
    assert.deepEqual(
      damage.map(({ trap }) => trap?.marks.length),
      [1],
    )
    const text = `the table ${name} is damaged: 1 of ${blockCount()} blocks is not as written`
    assert.equal(damage[0]?.text, text)

    // check marks the block so that LevelDB survives, even with the table open.
    await using store = await opened()
    const { records, findings } = await check(await store.snapshot(), async () => undefined, Date.now())
    assert.equal(findings[0]?.text, text)
    assert.ok((records.document ?? 0) > 50)
    assert.match(findings.map((finding) => finding.text).join('\n'), /^the record .+ cannot be read$/m)
    const copy = { directory: `${place.directory}-copy`, anchorFile: `${place.anchorFile}-copy` }
    await assert.rejects(store.copyTo(copy), { code: 'CORRUPT' })
  })

  test('a dangerous table that cannot be marked is not read', async () => {
    await using store = await opened()
    await symlink('/proc/self/mem', `${path}-mem`)
    await rename(`${path}-mem`, path)
    const text = `the table ${name} cannot be read: EIO: i/o error, read, and may end the process that reads it`
    const { records, findings } = await check(await store.snapshot(), async () => undefined, Date.now())
    assert.deepEqual(records, {})
    assert.deepEqual(
      findings.map((finding) => `${finding.severity}: ${finding.text}`),
      [
        `error: ${text}`,
        'error: no record was read, since that may end the process: stop the server, and "countersign repair DIRECTORY" mends it',
      ],
    )
    const copy = { directory: `${place.directory}-copy`, anchorFile: `${place.anchorFile}-copy` }
    await assert.rejects(store.copyTo(copy), { code: 'CORRUPT', message: text })
    const elsewhere = { text: 'x', trap: { path: join(place.directory, 'none'), marks: [1] } }
    const left = await disarm(elsewhere)
    assert.match(left.text, /^x, and may end the process that reads it: it cannot be marked: ENOENT: /)
    assert.equal(left.trap, elsewhere.trap)
  })

  test('LevelDB survives all other damage; every record is then checked and damage named', async () => {
    let traps = 0
    for (let trial = 0; trial < 12; trial += 1) {
      const [from, bytes] = [Math.floor(Math.random() * places.index.at), [1, 40, 4096, 9000][trial % 4]!]
      await harm((table) => void table.fill(trial % 3 === 0 ? 0 : 0xa5, from, Math.min(from + bytes, table.length)))
      const damage = await damagedFiles(place.directory)
      if (hasTrap(damage)) traps += 1
      else assert.match(await readAll(place.directory), SURVIVED, `${bytes} bytes at ${from}`)
    }
    assert.ok(traps < 12)
    // Damage the value of the block's last entry.
    const { at, bytes } = unpacked()
    await harm(zeros({ at: at + bytes - 60, bytes: 5 }))
    const before = await damagedFiles(place.directory)
    assert.deepEqual([before.length, hasTrap(before)], [1, false])
    await using store = await opened()
    const { findings } = await check(await store.snapshot(), async () => undefined, Date.now())
    assert.equal(findings[0]?.text, before[0]?.text)
    assert.ok(findings.length > 1 && findings.every(({ text }) => !text.startsWith('no record')))
  })

  test('dangerous damage is recognised in index, filter list and footer too', async () => {
    const { index, meta } = places
    const last = table.length - FOOTER_BYTES
    // A block's place: offset and size.
    const huge = Buffer.from('00808080808080808001', 'hex')
    const footer = table.subarray(last)
    // It begins with the place of the list of filters: two numbers of some bytes each.
    const [first = 0, second = 0] = [...footer.entries()].flatMap(([index, byte]) => (byte < 0x80 ? [index] : []))
    assert.ok(first < second)
    const cases: Record<string, [trap: boolean, harm: (bytes: Buffer) => void]> = {
      'the place of the list of filters, in the end': [
        true,
        (bytes) => void Buffer.concat([huge, footer.subarray(second + 1, 40)]).copy(bytes, last, 0, 40),
      ],
      'a key of the index that only a search finds': [
        true,
        (bytes) =>
          entries(
            bytes,
            index,
            [
              Buffer.from([0, 9, 10, ...Array<number>(19).fill(0xff)]),
              Buffer.from([0, 0xff, 0xff, 0x7f, 0]),
              Buffer.from([0, 5, 2, ...Buffer.from('short'), 0, 0]),
            ],
            [0, 2, 1],
          ),
      ],
      'a short key, beside a block with too many starts': [
        true,
        (bytes) => {
          const { at, bytes: length } = unpacked(1)
          bytes.writeUInt32LE(0xffff_ffff, at + length - 4)
          zeros(unpacked(), 8)(bytes)
        },
      ],
      'the place of the index, in the end': [true, (bytes) => void huge.copy(bytes.fill(0, last, last + 12), last + 2)],
      'the same, but that the table is too short for it': [
        false,
        (bytes) => void bytes.write('0000ffffff0f01', last, 'hex'),
      ],
      'a place in the list of filters': [false, (bytes) => oneEntry(bytes, meta, 'n', huge)],
      'the place of a block of records': [true, (bytes) => oneEntry(bytes, index, '\xff'.repeat(9), huge)],
      'a key of the index, one byte too short': [true, (bytes) => oneEntry(bytes, index, 'shorter', Buffer.alloc(2))],
      'the type of the index': [false, (bytes) => void (bytes[index.at + index.bytes] = 7)],
    }
    for (const [what, [trap, change]] of Object.entries(cases)) {
      await harm(change)
      const found = await damagedFiles(place.directory)
      assert.deepEqual([found.length, hasTrap(found)], [1, trap], what)
      assert.match(await readAll(place.directory), trap ? /^SIG(?:ABRT|SEGV)$/ : SURVIVED, what)
      if (!trap) continue
      assert.deepEqual(await disarm(found[0]!), { text: found[0]!.text })
      assert.match(await readAll(place.directory), SURVIVED, what)
      assert.equal(hasTrap(await damagedFiles(place.directory)), false)
    }
    for (const [what, [, change]] of Object.entries(cases)) {
      const bad = Buffer.from(table)
      change(bad)
      await writeFile(path, withoutTraps(bad)?.bytes ?? bad)
      assert.match(await readAll(place.directory), SURVIVED, `repair: ${what}`)
    }
  })

  test('repair keeps the records of a table whose list of filters is beyond repair', () => {
    const { at, bytes } = places.meta
    const bad = Buffer.from(table)
    for (let each = at; each < at + bytes; each += 1) bad[each]! ^= 0x55
    const mended = withoutTraps(bad)?.bytes
    bad[at + bytes] = UNREADABLE
    assert.deepEqual(mended, bad)
  })

  /** Has LevelDB rewrite all tables, beside the open store. */
  async function compactAll(): Promise<void> {
    const handle = new Level(place.directory, {
      keyEncoding: 'buffer',
      multithreading: true,
    }) as unknown as ClassicLevel
    await handle.compactRange(Buffer.of(0), Buffer.of(0xff))
    await handle.close()
  }

  test('when a compaction meets a marked block one commit is refused, and the next succeeds', async () => {
    await using store = await opened()
    const { at, bytes } = unpacked()
    await harm((table) => void (table[at + bytes] = 0xff))
    await compactAll()
    const documents = [documentOf('targets', 1, 'x')]
    await assert.rejects(store.commit(commitOf('example.org/next', 0, documents)), { code: 'STORE_UNAVAILABLE' })
    await until('the database to be open again', () => store.readiness().writable)
    await store.commit(commitOf('example.org/next', 0, documents))
    assert.deepEqual([(await texts()).length, store.tail().number], [1, 81])
  })

  test('tables that a compaction has replaced are not missed', async () => {
    await using store = await opened()
    await compactAll()
    assert.deepEqual(await texts(), [])
    assert.ok(store.readiness().writable && !(await readdir(place.directory)).includes(name))
  })

  test('repair removes the marks', () => {
    // Marks on sound blocks, which were read wrongly for a time.
    const marks = [...places.records, ...places.filters, places.index, places.meta].map(
      (block) => block.at + block.bytes,
    )
    for (const mark of [...marks, table.length - 1]) {
      const marked = Buffer.from(table)
      marked[mark] = 0xff
      assert.deepEqual(withoutTraps(marked)?.bytes, table, String(mark))
    }
    // A mark on a block with one flipped bit.
    const { at, bytes } = unpacked()
    const marked = Buffer.from(table)
    marked[at + 3]! ^= 4
    marked[at + bytes] = 0xff
    assert.deepEqual(withoutTraps(marked)?.bytes, table)
  })

  test('a block that claims gigabytes counts as dangerous', async () => {
    const blocks = [...places.records, ...places.filters].filter(({ at, bytes }) => table[at + bytes] === 1)
    assert.ok(blocks.length > 0)
    for (const packed of blocks) {
      await harm((bytes) => void bytes.write('ffffffff0f', packed.at, 'hex'))
      const found = await damagedFiles(place.directory)
      assert.deepEqual([found.length, hasTrap(found)], [1, true])
    }
  })

  test('missing and unreadable tables, a damaged log and an empty CURRENT are reported', async () => {
    await using store = await opened()
    await rm(path)
    assert.deepEqual(await texts(), [`the table ${name} is gone`])
    // Its first pages are never mapped: reading fails as on a bad sector.
    await symlink('/proc/self/mem', path)
    assert.deepEqual(await texts(), [`the table ${name} cannot be read: EIO: i/o error, read`])
    await rm(path)
    await copyFile(join(whole, name), path)

    const documents = [1, 2].map((version) => documentOf('targets', version + 1, 'x'.repeat(50)))
    await store.commit(commitOf('example.org/r1', 1, documents))
    await store.commit(commitOf('example.org/r2', 1, documents))
    assert.deepEqual(await texts(), [])
    const log = (await readdir(place.directory)).find((each) => /^\d+\.log$/.test(each)) ?? ''
    const bytes = await readFile(join(place.directory, log))
    bytes[20]! ^= 1
    await writeFile(join(place.directory, log), bytes)
    const [found = '', ...more] = await texts()
    assert.match(found, /^the log \d+\.log of the database in .+ is damaged at byte 0, and goes on after it$/)
    assert.deepEqual(more, [])

    const list = join(
      place.directory,
      (await readdir(place.directory)).find((each) => each.startsWith('MANIFEST-')) ?? '',
    )
    const good = await readFile(list)
    // In its last record, and in its first one, after which others follow.
    for (const at of [good.length - 1, 10]) {
      const bad = Buffer.from(good)
      bad[at]! ^= 1
      await writeFile(list, bad)
      assert.ok((await texts()).some((text) => /^the list of tables .+ cannot be read$/.test(text)))
    }
    await writeFile(list, good)

    await writeFile(join(place.directory, 'CURRENT'), '')
    assert.ok((await texts()).some((text) => /^the list of tables .+ cannot be read$/.test(text)))
  })

  async function opened(): Promise<LevelStore & AsyncDisposable> {
    const store = await openStore(place)
    return { ...store, [Symbol.asyncDispose]: () => store.close() }
  }
})
