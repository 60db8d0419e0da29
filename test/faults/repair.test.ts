import * as fc from 'fast-check'
import assert from 'node:assert/strict'
import { promises } from 'node:fs'
import { cp, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { repair, type Repair } from '../../src/repair.ts'
import { settingsSchema } from '../../src/settings/schema.ts'
import { formatKey, journalKey, nameOf, parseKey } from '../../src/store/keyspace.ts'
import { openKeysDirectory } from '../../src/signing/keys-directory.ts'
import { namedIn, placesIn } from '../../src/store/leveldb/table-file.ts'
import { openStore, type LevelStore } from '../../src/store/level-store.ts'
import { withMatchingChecksums } from '../../src/store/repair/log-file.ts'
import type { Role } from '../../src/tuf/role.ts'
import type { Gun } from '../../src/tuf/gun.ts'
import { changeRecords, livedIn, recordsOf, ruined, type LivedIn } from '../support/lived-in.ts'

describe('repair of damaged files', () => {
  let lived: LivedIn
  let place: string
  let good: Map<string, Buffer>
  /** What the undamaged store serves: documents by role and checksum, and the revision of each repository. */
  let documents: { gun: Gun; role: Role; sha256: string; bytes: Buffer }[]
  let revisions: Map<Gun, number>

  before(async () => {
    lived = await livedIn()
    place = await mkdtemp(join(tmpdir(), 'countersign-repair-'))
    good = await recordsOf((await lived.copy('good')).directory)
    const store = await opened(lived.terminal.path('good'))
    documents = [...good.keys()].flatMap((hex) => {
      const { kind, parts = [] } = parseKey(Buffer.from(hex, 'hex')) ?? {}
      if (kind !== 'document') return []
      const [gun, role, sha256] = parts as [Gun, Role, string]
      return [{ gun, role, sha256, bytes: Buffer.from(store.document(gun, role, { sha256 })?.bytes ?? []) }]
    })
    revisions = new Map(await Array.fromAsync(store.guns(100), (gun) => [gun, store.head(gun)?.revision ?? 0] as const))
    await store.close()
  })
  after(async () => {
    await rm(place, { recursive: true })
    await lived.terminal.close()
  })

  async function opened(directory: string): Promise<LevelStore> {
    const { anchorKey } = await openKeysDirectory(join(directory, 'keys'))
    return openStore({ directory: join(directory, 'data'), anchorFile: join(directory, 'keys', 'anchor'), anchorKey })
  }

  /** @returns the report on a damaged copy; undefined if repair is refused */
  async function repaired(directory: string, from?: string): Promise<Repair | undefined> {
    const [dataDirectory, keysDirectory] = [join(directory, 'data'), join(directory, 'keys')]
    const settings = {
      ...settingsSchema.parse({}),
      dataDirectory,
      keysDirectory,
      anchorFile: join(keysDirectory, 'anchor'),
    }
    const made = join(place, 'made')
    await rm(made, { recursive: true, force: true })
    try {
      return await repair(settings, {
        directory: made,
        from: from && lived.terminal.path(from),
        withoutAnchor: false,
        dryRun: false,
        gone: new AbortController().signal,
      })
    } catch (error) {
      assert.ok(error instanceof TrustError && error.code === 'DATA_DAMAGED', String(error))
      assert.deepEqual(await readdir(made).catch(() => []), [])
      return undefined
    }
  }

  /** Asserts that no wrong byte and no older head is served, and that all that is missing was named. */
  async function mustBeHonest({ directory, lost, check }: Repair): Promise<void> {
    const store = await opened(directory)
    const refused: string[] = []
    const entriesLost = lost.some((name) => name.startsWith('journal '))
    const look = (what: string, at: () => void): void => {
      try {
        at()
      } catch (error) {
        if (!(error instanceof TrustError)) throw error
        refused.push(what)
      }
    }
    try {
      for (const { gun, role, sha256, bytes } of documents) {
        look(`${gun} ${role} ${sha256}`, () => {
          const found = store.document(gun, role, { sha256 })?.bytes
          // Nothing names a missing document whose journal entry is lost too.
          if (found === undefined && entriesLost) refused.push(sha256)
          else assert.ok(found !== undefined && bytes.equals(found), 'not the committed bytes')
        })
      }
      for (const [gun, revision] of revisions) look(gun, () => assert.equal(store.head(gun)?.revision, revision))
    } finally {
      await store.close()
    }
    if (lost.length === 0) {
      assert.deepEqual([refused, check?.findings], [[], []])
      assert.deepEqual(await recordsOf(join(directory, 'data')), good)
      return
    }
    assert.ok(entriesLost || refused.length <= lost.length, `${refused.join()} of ${lost.join()}`)
    // With an entry lost, nobody can tell whether its records are old; \`check\` says so.
    if (entriesLost) return
    for (const [hex, record] of await recordsOf(join(directory, 'data'))) {
      const key = Buffer.from(hex, 'hex')
      const isRead = lost.includes(nameOf(key)) || good.get(hex)?.equals(record) === true
      assert.ok(isRead || parseKey(key)?.kind === 'document', nameOf(key))
    }
  }

  /** Copies the backup for changes: it must not be opened itself. */
  async function copyOfOld(): Promise<{ directory: string }> {
    const directory = join(place, 'old')
    await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
    return { directory }
  }

  async function eachFile(directory: string, pattern: RegExp, harm: (path: string) => Promise<void>): Promise<void> {
    for (const path of await filesOf(directory, pattern)) await harm(path)
  }

  async function filesOf(directory: string, pattern: RegExp): Promise<string[]> {
    return (await readdir(directory)).filter((name) => pattern.test(name)).map((name) => join(directory, name))
  }

  test('a flipped bit anywhere in the log does not lose what follows it', async () => {
    const { directory } = await lived.copy('log')
    const [log = ''] = await filesOf(directory, /^\d+\.log$/)
    const whole = await readFile(log)
    assert.ok(whole.length > 30_000, 'nearly everything should be in the log')
    let [made, sound] = [0, 0]
    // The first two are in the checksum and the type of a record.
    const places = [1, 6, ...Array.from({ length: 20 }, (_, trial) => Math.floor((whole.length * (trial + 0.5)) / 20))]
    for (const [trial, at] of places.entries()) {
      const bad = Buffer.from(whole)
      bad[at]! ^= 1 << (trial % 8)
      await writeFile(log, bad)
      const done = await repaired(lived.terminal.path('log'))
      if (trial < 2)
        assert.deepEqual(
          done?.turnedBack.map(({ bits }) => bits),
          [1],
          String(at),
        )
      if (done !== undefined) await mustBeHonest(done)
      made += Number(done !== undefined)
      sound += Number(done?.lost.length === 0)
    }
    // The other flips hit a length.
    assert.ok(made >= 15 && sound >= 15, `${made} made, ${sound} of them sound`)
    // Two bits in an entry of the journal: it alone is lost.
    const bad = Buffer.from(whole)
    const at = bad.indexOf('"actor":', bad.length / 2)
    assert.ok(at > 0)
    for (const each of [at, at + 2]) bad[each]! ^= 1
    await writeFile(log, bad)
    const done = await repaired(lived.terminal.path('log'))
    assert.deepEqual([done?.lost.length, done?.turnedBack], [1, []])
    await mustBeHonest(done!)
  })

  test('a record of the log whose length is damaged is not taken for one of that length', async () => {
    const { directory } = await lived.copy('length')
    const [log = ''] = await filesOf(directory, /^\d+\.log$/)
    const bad = await readFile(log)
    // It would end in the next block, whose first record is whole.
    bad.writeUInt16LE(0x8fff, 4)
    const { bytes, bits } = withMatchingChecksums(bad)
    assert.ok(bytes.equals(bad))
    assert.equal(bits, 0)
  })

  test('a flipped bit in the newest batch is corrected, unless the batch is torn', async () => {
    const { directory } = await lived.copy('newest')
    const [log = ''] = await filesOf(directory, /^\d+\.log$/)
    const whole = await readFile(log)
    whole[whole.length - 20]! ^= 4
    await writeFile(log, whole)
    const done = await repaired(lived.terminal.path('newest'))
    assert.deepEqual([done?.lost, done?.turnedBack.map(({ bits }) => bits)], [[], [1]])
    await mustBeHonest(done!)
    await writeFile(log, whole.subarray(0, -1))
    assert.equal(await repaired(lived.terminal.path('newest')), undefined)
  })

  test('a flipped bit anywhere in a table is corrected; more of them neither crash repair nor falsify anything', async () => {
    const { directory } = await lived.copy('bits')
    // Reopening moves the log into a table.
    await recordsOf(directory)
    const table = await largest(await filesOf(directory, /\.ldb$/))
    const whole = await readFile(table)
    const places = Array.from({ length: 40 }, (_, trial) => Math.floor(((whole.length - 60) * (trial + 0.5)) / 40))
    const [block] = placesIn(whole, namedIn(whole).index)
    // The first ones are the first byte of a block, its type and its checksum.
    const ends = [0, 1].map((byte) => block!.at + block!.bytes + byte)
    for (const [trial, at] of [
      block!.at,
      ...ends,
      ...places,
      whole.length - 100,
      whole.length - 48,
      whole.length - 1,
    ].entries()) {
      const bad = Buffer.from(whole)
      bad[at]! ^= 1 << (trial % 8)
      await writeFile(table, bad)
      const done = await repaired(lived.terminal.path('bits'))
      assert.ok(done !== undefined)
      assert.deepEqual([done.lost, done.turnedBack.map(({ bits }) => bits)], [[], [1]])
      await mustBeHonest(done)
      bad[at - 1]! ^= 0x24
      bad[(at * 7) % whole.length]! ^= 1
      await writeFile(table, bad)
      const less = await repaired(lived.terminal.path('bits'))
      if (less !== undefined) await mustBeHonest(less)
    }
  })

  test('zeroed pages in the log lose entries: without a backup repair is refused', async () => {
    const { directory } = await lived.copy('zeros')
    const [log = ''] = await filesOf(directory, /^\d+\.log$/)
    const whole = await readFile(log)
    await writeFile(log, Buffer.from(whole).fill(0, 36_864, 40_960))
    assert.equal(await repaired(lived.terminal.path('zeros')), undefined)
    const done = await repaired(lived.terminal.path('zeros'), 'fresh')
    assert.deepEqual(done?.lost, [])
    await mustBeHonest(done)
  })

  test('records around a damaged block are found by their keys, those in it in a backup', async () => {
    const { directory } = await lived.copy('table')
    // Reopening moves the log into a table.
    await recordsOf(directory)
    const table = await largest(await filesOf(directory, /\.ldb$/))
    const whole = await readFile(table)
    const lost = { none: 0, old: 0, fresh: 0 }
    const places = Array.from({ length: 16 }, (_, trial) => Math.floor((whole.length * trial) / 16))
    // The last place is the table's footer, without which none of it can be read.
    for (const at of [...places, whole.length - 300]) {
      await writeFile(table, Buffer.from(whole).fill(0xa5, at, at + 300))
      for (const from of ['none', 'old', 'fresh'] as const) {
        const done = await repaired(lived.terminal.path('table'), from === 'none' ? undefined : from)
        if (done !== undefined) await mustBeHonest(done)
        lost[from] += done?.lost.length ?? good.size
      }
    }
    assert.equal(lost.fresh, 0)
    assert.ok(lost.old < lost.none, JSON.stringify(lost))
    // A walk over all records stops at the damage. The times for rebuilt heads, which come last, are found from the end.
    const heads = [...good.keys()].map((hex) => Buffer.from(hex, 'hex')).filter((key) => parseKey(key)?.kind === 'head')
    const headless = lived.terminal.path('headless')
    await cp(lived.terminal.path('fresh', 'data'), headless, { recursive: true })
    await changeRecords(headless, heads, () => undefined)
    await writeFile(table, whole)
    await changeRecords(directory, heads, ruined)
    const [, second = 0] = places
    await writeFile(table, Buffer.from(whole).fill(0xa5, second, second + 300))
    assert.deepEqual((await repaired(lived.terminal.path('table'), 'headless'))?.lost, [])
  })

  test('without the list of tables, or with lost tables, repair uses the tables left and a backup', async () => {
    const { directory } = await lived.copy('list')
    // Makes several tables: each reopening moves the log into another.
    for (let opening = 0; opening < 3; opening += 1) await changeRecords(directory, [formatKey()], (record) => record)
    await recordsOf(directory)
    await cp(lived.terminal.path('list'), lived.terminal.path('list-good'), { recursive: true })
    const manifests = /^MANIFEST-/
    const harms: Record<string, () => Promise<void>> = {
      'MANIFEST is gone': () => eachFile(directory, manifests, (path) => rm(path)),
      'a bit of MANIFEST': () =>
        eachFile(directory, manifests, async (path) => {
          const bad = await readFile(path)
          bad[20]! ^= 1
          await writeFile(path, bad)
        }),
      'CURRENT is gone': () => rm(join(directory, 'CURRENT')),
      'CURRENT names another': () => writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n'),
    }
    for (const [name, harm] of Object.entries(harms)) {
      await rm(directory, { recursive: true })
      await cp(lived.terminal.path('list-good', 'data'), directory, { recursive: true })
      await harm()
      const done = await repaired(lived.terminal.path('list'))
      assert.deepEqual([done?.lost, done?.relisted], [[], true], name)
      await mustBeHonest(done!)
    }
    await rm(directory, { recursive: true })
    await cp(lived.terminal.path('list-good', 'data'), directory, { recursive: true })
    // With an unknown list, older records could replace newer ones, so every journal entry is needed.
    await changeRecords(directory, [journalKey(12)], ruined)
    await eachFile(directory, manifests, (path) => rm(path))
    assert.equal(await repaired(lived.terminal.path('list')), undefined)
    const mended = await repaired(lived.terminal.path('list'), 'fresh')
    assert.deepEqual(mended?.lost, [])
    await mustBeHonest(mended)
    for (const from of [undefined, 'old', 'fresh']) {
      await rm(directory, { recursive: true })
      await cp(lived.terminal.path('list-good', 'data'), directory, { recursive: true })
      await eachFile(directory, /\.ldb$/, (path) => rm(path))
      const done = await repaired(lived.terminal.path('list'), from)
      assert.equal(done?.relisted, from === 'fresh' ? true : undefined)
      if (done !== undefined) await mustBeHonest(done)
    }
  })

  test('files that the disk cannot read are repaired like any damage', async () => {
    const { directory } = await lived.copy('disk')
    await recordsOf(directory)
    await cp(lived.terminal.path('disk'), lived.terminal.path('disk-good'), { recursive: true })
    for (const pattern of [/\.ldb$/, /\.log$/, /^MANIFEST-/, /^CURRENT$/]) {
      await rm(directory, { recursive: true })
      await cp(lived.terminal.path('disk-good', 'data'), directory, { recursive: true })
      await eachFile(directory, pattern, async (path) => {
        await rm(path)
        // Its first pages are never mapped: reading fails as on a bad sector.
        await symlink('/proc/self/mem', path)
      })
      const done = await repaired(lived.terminal.path('disk'), 'fresh')
      assert.deepEqual(done?.lost, [], String(pattern))
      await mustBeHonest(done)
    }
  })

  test('a page that the disk cannot read counts as zeros; the rest of its file is read', async (t) => {
    const { directory } = await lived.copy('page')
    await recordsOf(directory)
    const table = await largest(await filesOf(directory, /\.ldb$/))
    const whole = await readFile(table)
    let page = 0
    let zeroed: Repair | undefined
    // What stands in a page differs from run to run: take the first one that nothing else can replace.
    while ((zeroed?.lost.length ?? 0) === 0) {
      page += 4096
      assert.ok(page < whole.length)
      await writeFile(table, Buffer.from(whole).fill(0, page, page + 4096))
      zeroed = await repaired(lived.terminal.path('page'), 'old')
    }
    assert.ok(zeroed !== undefined && zeroed.whole > 0)
    await writeFile(table, whole)

    const unreadable = (): Error => Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    const { readFile: real } = promises
    t.mock.method(promises, 'readFile', (path: string, ...more: []) =>
      path === table ? Promise.reject(unreadable()) : real(path, ...more),
    )
    syncBuiltinESMExports()
    await using file = await open(table)
    const handle = Object.getPrototypeOf(file) as typeof file
    const read = Reflect.get(handle, 'read') as (...args: unknown[]) => unknown
    t.mock.method(handle, 'read', function (this: typeof file, ...args: [Buffer, number, number, number]) {
      return args[3] === page ? Promise.reject(unreadable()) : read.apply(this, args)
    })
    try {
      const done = await repaired(lived.terminal.path('page'), 'old')
      assert.deepEqual({ ...done, newest: zeroed.newest }, zeroed)
    } finally {
      t.mock.restoreAll()
      syncBuiltinESMExports()
    }
  })

  test('whatever happens to records, repair yields no wrong byte and no older state: it mends, names or refuses', async () => {
    const { directory } = await lived.copy('any')
    await lived.copy('any-good')
    const keys = [...good.keys()].map((hex) => Buffer.from(hex, 'hex'))
    const older = await recordsOf((await copyOfOld()).directory)
    const harms: ((record: Buffer, key: Buffer) => Buffer | undefined)[] = [
      flipped(1),
      flipped(3),
      ruined,
      () => undefined,
      (_, key) => older.get(key.toString('hex')),
      (record) => record.subarray(0, record.length >> 1),
      () => good.get(keys[7]?.toString('hex') ?? ''),
    ]
    let made = 0
    const harm = fc.record({ key: fc.nat(keys.length - 1), harm: fc.nat(harms.length - 1) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(harm, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(undefined, 'old', 'fresh'),
        async (list, from) => {
          await rm(directory, { recursive: true })
          await cp(lived.terminal.path('any-good', 'data'), directory, { recursive: true })
          for (const { key, harm } of new Map(list.map((each) => [each.key, each])).values()) {
            await changeRecords(directory, [keys[key]!], harms[harm]!)
          }
          const done = await repaired(lived.terminal.path('any'), from)
          if (done === undefined) return
          made += 1
          if (from === 'fresh') assert.deepEqual(done.lost, [])
          await mustBeHonest(done)
        },
      ),
      { numRuns: 40 },
    )
    assert.ok(made >= 20, `${made} made`)
  })
})

/** Flips some bits. */
function flipped(bits: number): (record: Buffer, key: Buffer) => Buffer {
  return (record, key) => {
    for (let bit = 0; bit < bits; bit += 1) record[(key.length * (bit + 7)) % record.length]! ^= 1 << (bit + 2)
    return record
  }
}

async function largest(paths: readonly string[]): Promise<string> {
  const sizes = await Promise.all(paths.map(async (path) => ({ path, size: (await stat(path)).size })))
  return sizes.toSorted((one, other) => other.size - one.size)[0]?.path ?? ''
}
