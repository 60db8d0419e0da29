import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { makeBackup } from '../../src/admin/backup.ts'
import { stageNextRoot } from '../../src/admin/roots.ts'
import { removeTag } from '../../src/admin/tags.ts'
import { removeUser } from '../../src/admin/users.ts'
import { reportText } from '../../src/cli/check.ts'
import type { Repair } from '../../src/repair.ts'
import { Database } from '../../src/store/database/database.ts'
import {
  decodeDocument,
  decodeKeys,
  encodeDocument,
  encodeKeys,
  type PackedDocument,
} from '../../src/store/encoding.ts'
import {
  dueKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  nameOf,
  parseKey,
  recordKey,
} from '../../src/store/keyspace.ts'
import { pack, unpack } from '../../src/store/packing.ts'
import { entryBytes } from '../../src/store/journal.ts'
import { openRecord, sealRecord } from '../../src/store/database/record.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { SERVER, parseGun } from '../../src/tuf/gun.ts'
import { exchange, type Endpoint } from '../support/exchange.ts'
import {
  APP,
  changeRecords,
  DELETED,
  livedIn,
  OWN,
  putRecords,
  REBORN,
  recordsOf,
  ruined,
  type LivedIn,
} from '../support/lived-in.ts'
import { fetchFrom, ReferenceClient } from '../support/reference-client.ts'
import { newStore, storePlace } from '../support/test-store.ts'
import { tufPath } from '../support/upload.ts'
import type { Printed } from './terminal.ts'

/** Kinds of records that follow from the rest of the store. */
const DERIVED = ['head', 'due', 'version', 'history', 'owner', 'format']

describe('countersign repair', () => {
  let lived: LivedIn
  /** All records of the stopped server, by their keys in hex. */
  let good: Map<string, Buffer>
  let copies = 0

  before(async () => {
    lived = await livedIn()
    const { directory } = await lived.copy('good')
    good = await recordsOf(directory)
  })
  after(() => lived.terminal.close())

  const keysOfKind = (...kinds: string[]): Buffer[] =>
    [...good.keys()].map((hex) => Buffer.from(hex, 'hex')).filter((key) => kinds.includes(parseKey(key)?.kind ?? ''))

  /** Makes a damaged copy of the stopped server. */
  async function damaged(harm: (directory: string) => Promise<void>): Promise<Record<string, string>> {
    const { directory, environment } = await lived.copy(`damaged-${(copies += 1)}`)
    await harm(directory)
    return environment
  }

  const withRuined = (...keys: Buffer[]): Promise<Record<string, string>> =>
    damaged((directory) => changeRecords(directory, keys, ruined))

  const newName = (): string => `made-${(copies += 1)}`

  /** Runs the command. */
  async function types(environment: Record<string, string>, ...args: string[]): Promise<Printed & { made: string }> {
    const made = newName()
    return { ...(await lived.terminal.run(['repair', made, ...args], environment)), made }
  }

  interface Done extends Repair {
    /** Name of the directory that was made. */
    readonly made: string
    /** Where each repaired record came from. */
    readonly sources: Readonly<Record<string, Repair['repaired'][number]['from']>>
    /** What `check` prints for the result. */
    readonly checked: string
  }

  async function repair(environment: Record<string, string>, from?: string): Promise<Done> {
    const made = newName()
    const done = await lived.repair(environment, made, from === undefined ? {} : { from })
    const sources = Object.fromEntries(done.repaired.map((each) => [each.record, each.from]))
    return { ...done, made, sources, checked: reportText(done.check!) }
  }

  async function recordsMade(made: string): Promise<Map<string, Buffer>> {
    return recordsOf(lived.terminal.path(made, 'data'))
  }

  /** Returns the names of records that differ from those of the stopped server. */
  async function differing({ made: name }: { readonly made: string }): Promise<string[]> {
    const made = await recordsMade(name)
    const keys = new Set([...made.keys(), ...good.keys()])
    return [...keys]
      .filter((key) => made.get(key)?.equals(good.get(key) ?? Buffer.from('none')) !== true)
      .map((key) => nameOf(Buffer.from(key, 'hex')))
  }

  async function check(name: string): Promise<string> {
    return lived.terminal.checked(lived.placeOf(name))
  }

  test('records that follow from others are rebuilt byte for byte, and the damaged store is not written to', async () => {
    const environment = await withRuined(...keysOfKind(...DERIVED))
    const data = environment['COUNTERSIGN_DATA_DIRECTORY'] ?? ''
    const before = await filesOf(data)
    const done = await types(environment)
    assert.deepEqual([done.code, done.stderr], [0, ''])
    for (const gun of [APP, REBORN, DELETED, OWN]) {
      assert.ok(done.stdout.includes(`repaired: head ${gun}, from what else is stored\n`), gun)
    }
    assert.match(done.stdout, /^made \S+: \d+ records repaired, 0 still damaged, 0 left behind, \d+ whole; 29 commits/m)
    assert.match(done.stdout, /^3 repositories, 29 commits, \d+ records: sound$/m)
    assert.deepEqual(await differing(done), [])
    assert.deepEqual(await filesOf(data), before)
  })

  test('times when a repository is due are only hints for its head, and kept while that is lost', async () => {
    const gun = parseGun(APP)
    const due = keysOfKind('due').find((key) => parseKey(key)?.parts[1] === APP)!
    const time = Number(parseKey(due)?.parts[0])
    const others = [time - 1, time + 1].map((each) => dueKey(each, gun))
    const more = (directory: string): Promise<void> =>
      putRecords(directory, [
        ...others.map((key): [Buffer, Buffer] => [key, sealRecord(key, Buffer.alloc(0))]),
        [dueKey(time + 2, gun), Buffer.alloc(32)],
      ])
    const rebuilt = await repair(
      await damaged(async (directory) => {
        await changeRecords(directory, [headKey(gun)], ruined)
        await more(directory)
      }),
    )
    assert.equal(rebuilt.left.length, 3)
    assert.deepEqual(await differing(rebuilt), [])

    // Without its newest documents the head cannot be rebuilt; a later repair can, with a backup that has only these.
    const documents = keysOfKind('document').filter((key) => nameOf(key).startsWith(`document ${APP} timestamp `))
    const without = await repair(
      await damaged(async (directory) => {
        await changeRecords(directory, [headKey(gun), ...documents], ruined)
        await more(directory)
      }),
    )
    assert.deepEqual(new Set(without.lost), new Set([headKey(gun), ...documents].map(nameOf)))
    assert.deepEqual(without.left, [nameOf(dueKey(time + 2, gun))])
    const backup = await copyOf('fresh')
    await changeRecords(backup, [headKey(gun)], () => undefined)
    assert.deepEqual(await differing(await repair(lived.placeOf(without.made), backup)), [])
  })

  test('clients continue where they were: conditional requests, publishes, renewed timestamps', async () => {
    const { terminal, app } = lived
    const old = await terminal.host()
    const before = await exchange(old, { path: tufPath(APP, 'timestamp.json') })
    const client = new ReferenceClient(APP, (file) => fetchFrom(server, APP)(file), Date.now)
    let server: Endpoint = old
    const seen = await client.update()
    await old.end()
    const done = await repair(await withRuined(...keysOfKind(...DERIVED)))
    const repaired = await terminal.host(lived.placeOf(done.made))
    server = repaired
    const { etag = '', 'last-modified': modified = '' } = before.headers
    const headers = { 'if-none-match': etag, 'if-modified-since': modified }
    const now = await exchange(server, { path: tufPath(APP, 'timestamp.json'), headers })
    assert.equal(now.status, 304)
    assert.deepEqual((await client.update()).versions, seen.versions)
    const publisher = app.fork()
    publisher.addTarget('after')
    await publisher.publish(server, 'targets')
    assert.ok((await client.update()).targets.some(({ name }) => name === 'after'))
    await terminal.ask(removeTag, { gun: OWN, tag: 'v1' }, lived.placeOf(done.made))
    await repaired.end()
    assert.match(await check(done.made), /: sound\n$/)
  })

  test('a flipped bit is turned back in every kind of record', async () => {
    const small = [...good].filter(([, record]) => record.length < 8_000).map(([hex]) => Buffer.from(hex, 'hex'))
    let bit = 0
    const environment = await damaged((directory) =>
      changeRecords(directory, small, (record) => {
        bit += 12_345
        record[(bit >> 3) % record.length]! ^= 1 << (bit & 7)
        return record
      }),
    )
    const done = await repair(environment)
    assert.deepEqual(done.lost, [])
    // If the damage is in front of a difference's intact bytes, the whole document is written.
    const others = await differing(done)
    assert.deepEqual(
      others.filter((name) => !name.startsWith('document ')),
      [],
    )
    assert.match(done.checked, /: sound$/)
  })

  test('a flipped bit is turned back in the hash of a record and at the start of what it holds', async () => {
    for (const at of [0, 31, 32]) {
      const environment = await damaged((directory) =>
        changeRecords(directory, keysOfKind('keys', 'record'), (record) => {
          record[at]! ^= 0x80
          return record
        }),
      )
      const done = await repair(environment)
      assert.deepEqual([done.lost, await differing(done)], [[], []], String(at))
    }
    // It is not looked for in a long record: in one of a megabyte that would take hours.
    const long = [...good].filter(([, record]) => record.length > 8 * 1024).map(([hex]) => Buffer.from(hex, 'hex'))
    assert.ok(long.length > 0)
    const environment = await damaged((directory) =>
      changeRecords(directory, long, (record) => {
        record[64]! ^= 0x80
        return record
      }),
    )
    const { lost } = await repair(environment)
    for (const key of long) assert.ok(lost.includes(nameOf(key)))
  })

  test('a record cut off before, in or right after its hash is named like any that is lost', async () => {
    const keys = keysOfKind('document', 'keys', 'record')
    for (const length of [0, 10, 32, 33]) {
      const environment = await damaged((directory) =>
        changeRecords(directory, keys, (record) => record.subarray(0, length)),
      )
      assert.deepEqual(new Set((await repair(environment)).lost), new Set(keys.map(nameOf)), String(length))
    }
  })

  test('a record whose own hash is damaged counts if the journal names what it holds', async () => {
    const keys = keysOfKind('document', 'record', 'head', 'journal').filter((key) => !key.equals(journalKey(29)))
    const environment = await damaged((directory) =>
      changeRecords(directory, keys, (record) => record.fill(0x55, 0, 32)),
    )
    const done = await repair(environment)
    assert.deepEqual(done.lost, [])
    assert.deepEqual(await differing(done), [])
  })

  test('other records are lost without a backup; an old one has those unchanged since, a new one all', async () => {
    const environment = await withRuined(...keysOfKind('document', 'keys', 'record'))
    const none = await repair(environment)
    assert.deepEqual(
      new Set(none.lost.map((name) => name.split(' ')[0])),
      new Set(['document', 'keys', 'policy', 'root-key', 'signer', 'token', 'user']),
    )

    const old = await types(environment, '--from', 'old')
    assert.equal(old.code, 1)
    assert.deepEqual(
      [...old.stdout.matchAll(/^still damaged: (.*)$/gm)]
        .map(([, name = '']) => name)
        .filter((name) => !name.startsWith('document '))
        .map((name) => name.replace(/^(token) .*/, '$1')),
      [`keys ${REBORN} timestamp`, 'keys (server) targets/ci', 'user alice', 'policy user:alice', 'signer ci', 'token'],
    )
    assert.match(old.stdout, /^repaired: user bob, from the backup$/m)
    assert.match(
      old.stdout,
      / still damaged, [^]*\nhint: what is still damaged is refused, all else is served; another backup /,
    )
    // The old backup's records of her are not used: neither her grants, nor her policy, nor the lack of one.
    const server = await lived.terminal.host(lived.placeOf(old.made))
    const { stdout: users } = await lived.terminal.run(['user', 'list'], lived.placeOf(old.made))
    assert.match(users, /^alice +damaged: countersign check$/m)
    assert.match(
      (await lived.terminal.run(['policy', 'show', 'user:alice'], lived.placeOf(old.made))).stderr,
      /^error: .* damaged/,
    )
    assert.equal((await exchange(server, { path: tufPath(APP, 'targets.json') })).status, 503)
    await server.end()

    for (const from of ['fresh', join('fresh', 'data')]) {
      const fresh = await repair(environment, from)
      assert.deepEqual([fresh.lost, await differing(fresh)], [[], []])
    }
  })

  test('an older version of a record is not used: it is rebuilt or refused', async () => {
    const before = await recordsOf(await copyOf('old'))
    const names = [
      headKey(parseGun(APP)),
      recordKey('user', 'alice'),
      recordKey('policy', 'user:alice'),
      keysKey(SERVER, 'targets/ci'),
    ]
    const environment = await damaged((directory) =>
      changeRecords(directory, names, (_, key) => before.get(key.toString('hex'))),
    )
    const done = await repair(environment)
    assert.deepEqual(done.lost, ['keys (server) targets/ci', 'user alice', 'policy user:alice'])
    assert.deepEqual(
      (await recordsMade(done.made)).get(headKey(parseGun(APP)).toString('hex')),
      good.get(headKey(parseGun(APP)).toString('hex')),
    )
    for (const command of ['user list', 'policy list']) {
      const { code, stdout } = await lived.terminal.run(command.split(' '), lived.placeOf(done.made))
      assert.deepEqual([code, stdout.includes('damaged')], [1, true], command)
    }
    assert.deepEqual(await differing(await repair(environment, 'fresh')), [])
  })

  test('a record with a damaged key is found by its hash; one that nobody names is left behind', async () => {
    const moved = [headKey(parseGun(OWN)), recordKey('user', 'bob'), journalKey(12), journalKey(29)]
    const environment = await damaged(async (directory) => {
      const puts: [Buffer, Buffer][] = []
      await changeRecords(directory, moved, (record, key) => {
        const other = Buffer.from(key)
        other[other.length - 1]! ^= 0x40
        puts.push([other, record])
        return undefined
      })
      await putRecords(directory, [...puts, [Buffer.from('zzz'), Buffer.from('what')]])
    })
    const done = await types(environment)
    assert.equal(done.code, 0)
    for (const name of [`head ${OWN}`, 'user bob', 'journal 12', 'journal 29']) {
      assert.ok(done.stdout.includes(`repaired: ${name}, from its own bytes\n`), name)
    }
    assert.match(done.stdout, /^left behind: user bo", which no journal entry names$/m)
    assert.match(done.stdout, /, 5 left behind, /)
    assert.deepEqual(await differing(done), [])
  })

  test('a journal entry with a damaged key does not replace another lost one', async () => {
    const environment = await damaged(async (directory) => {
      await changeRecords(directory, [journalKey(25)], ruined)
      await changeRecords(directory, [journalKey(12)], () => undefined)
      await putRecords(directory, [[journalKey(12 + 2 ** 40), good.get(journalKey(12).toString('hex'))!]])
    })
    const done = await repair(environment)
    assert.deepEqual(done.lost, ['journal 25'])
    assert.equal(done.sources['journal 12'], 'itself')
    assert.ok(done.left.includes('journal 1099511627788'))
  })

  test('a lost journal entry is taken from a backup if it fits on both sides, and else stays damaged', async () => {
    const environment = await withRuined(...[2, 7, 8, 20, 25].map(journalKey))
    const none = await repair(environment)
    assert.deepEqual(none.lost, ['journal 2', 'journal 7', 'journal 8', 'journal 20', 'journal 25'])
    // What it alone names is kept and served, because its own hash is right.
    assert.ok(none.unnamed.some((name) => name.startsWith(`document ${APP} root `)))
    assert.match(none.checked, /^error: the targets\/ci key \w+ is not in the journal$/m)
    const server = await lived.terminal.host(lived.placeOf(none.made))
    for (const gun of [APP, OWN, REBORN]) await new ReferenceClient(gun, fetchFrom(server, gun), Date.now).update()
    await server.end()
    assert.deepEqual((await repair(environment, 'old')).lost, ['journal 25'])
    assert.deepEqual(await differing(await repair(environment, 'fresh')), [])
  })

  test('below a lost entry, others are taken only from a backup known to have the same journal', async () => {
    const entry = (number: number): Record<string, unknown> =>
      JSON.parse(openRecord(journalKey(number), good.get(journalKey(number).toString('hex'))!).toString()) as Record<
        string,
        unknown
      >
    // This one also has later entries of the store.
    for (const last of [25, 28]) {
      const backup = await copyOf('fresh')
      await changeRecords(backup, [journalKey(last)], ruined)
      const fresh = await repair(await withRuined(...[last - 2, last - 1, last].map(journalKey)), backup)
      assert.deepEqual(fresh.lost, [`journal ${last}`])
    }

    // This one ends at the damage, and the remains of the next entry name its last one.
    const older = [...(await recordsOf(await copyOf('old'))).keys()].map((hex) => parseKey(Buffer.from(hex, 'hex')))
    const end = older.filter((key) => key?.kind === 'journal').length
    const withoutTails = (): Promise<Record<string, string>> =>
      damaged((directory) =>
        changeRecords(directory, [end - 1, end, end + 1].map(journalKey), (record) =>
          record.fill(0x55, record.length - 40),
        ),
      )
    const old = await repair(await withoutTails(), 'old')
    assert.deepEqual(old.lost, [`journal ${end + 1}`])

    // An entry that nothing names may belong to a history given up by a restore.
    const other = await copyOf('old')
    const key = journalKey(end)
    await changeRecords(other, [key], () =>
      sealRecord(key, entryBytes({ ...entry(end), time: '2026-01-01T00:00:00.000Z' } as unknown as JournalEntry)),
    )
    const given = await repair(await withoutTails(), other)
    assert.deepEqual(given.lost.slice(0, 2), [`journal ${end}`, `journal ${end + 1}`])
  })

  test('a journal with a missing or damaged end is refused, except with a backup that has the end', async () => {
    const ends = {
      damaged: await withRuined(journalKey(29)),
      missing: await damaged((directory) => changeRecords(directory, [journalKey(27)], () => undefined)),
      older: await damaged(async (directory) => {
        await rm(directory, { recursive: true })
        await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
      }),
    }
    const message = /^the end of the journal, entry 29, is damaged or missing|^journal entry 27 is missing/
    for (const [name, environment] of Object.entries(ends)) {
      for (const from of [undefined, 'old']) {
        await assert.rejects(repair(environment, from), { name: 'TrustError', message }, name)
        assert.deepEqual(await readdir(lived.terminal.path(`made-${copies}`)).catch(() => []), [])
      }
      assert.deepEqual(await differing(await repair(environment, 'fresh')), [], name)
    }
    for (const args of [[], ['--dry-run']]) {
      const { code, stdout, stderr, made } = await types(ends.damaged, ...args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /^error: the end of the journal, entry 29, is damaged or missing\nhint: /)
      assert.deepEqual(await readdir(lived.terminal.path(made)).catch(() => []), [])
    }
  })

  test('a damaged entry after the anchor is refused, without advice to use a backup that would not help', async () => {
    const { directory, environment } = await lived.copy(`damaged-${(copies += 1)}`)
    const anchor = join(environment['COUNTERSIGN_KEYS_DIRECTORY'] ?? '', 'anchor')
    const before = await readFile(anchor)
    await lived.terminal.ask(removeUser, { name: 'bob' }, environment)
    await lived.terminal.ask(makeBackup, { directory: lived.terminal.path('later') }, environment)
    await writeFile(anchor, before)
    await changeRecords(directory, [journalKey(30)], ruined)
    await assert.rejects(repair(environment, 'later'), {
      name: 'TrustError',
      message: 'journal entry 30, after the anchor, is damaged or missing',
      hint: /^restore the newest backup;/,
    })
  })

  test('entries after the anchor are mended if they can be, and refused if they do not follow', async () => {
    const { directory, environment } = await lived.copy(`damaged-${(copies += 1)}`)
    const anchor = join(environment['COUNTERSIGN_KEYS_DIRECTORY'] ?? '', 'anchor')
    const before = await readFile(anchor)
    for (const name of ['bob', 'alice']) await lived.terminal.ask(removeUser, { name }, environment)
    await writeFile(anchor, before)
    const key = journalKey(30)
    let payload: Buffer = Buffer.of()
    await changeRecords(directory, [key], (record) => {
      payload = openRecord(key, record)
      record[record.length - 9]! ^= 2
      return record
    })
    const { lost, sources, commits } = await repair(environment)
    assert.deepEqual([lost, sources['journal 30'], commits], [[], 'itself', 31])
    const entry = { ...(JSON.parse(payload.toString()) as object), previous: 'f'.repeat(64) } as JournalEntry
    await changeRecords(directory, [key], () => sealRecord(key, entryBytes(entry)))
    await assert.rejects(repair(environment), { message: 'journal entry 30, after the anchor, is damaged or missing' })
  })

  test('a document stored with another version or time is written anew', async () => {
    const keys = keysOfKind('document')
    const whole = keys.filter((key) => {
      const record = good.get(key.toString('hex')) ?? Buffer.of()
      return decodeDocument(openRecord(key, record)).packed.form === 'whole'
    })
    for (const change of [{ version: 77 }, { createdAt: 1 }]) {
      const environment = await damaged((directory) =>
        changeRecords(directory, whole, (record, key) =>
          sealRecord(key, encodeDocument({ ...decodeDocument(openRecord(key, record)), ...change })),
        ),
      )
      const done = await repair(environment)
      assert.deepEqual(await differing(done), [])
      assert.deepEqual(new Set(Object.values(done.sources)), new Set(['derived']))
    }
  })

  test('a difference to a lost document is taken from a backup as a whole, however it is stored there', async () => {
    const targets = keysOfKind('document').filter((key) => parseKey(key)?.parts[1] === 'targets')
    const packed = new Map(targets.map((key) => [key, decodeDocument(openRecord(key, good.get(key.toString('hex'))!))]))
    const differences = targets.filter((key) => packed.get(key)?.packed.form === 'difference')
    const bases = new Set(differences.map((key) => (packed.get(key)!.packed as { base: string }).base))
    const base = targets.find((key) => bases.has(parseKey(key)?.parts[2] as string))
    assert.ok(base !== undefined && bases.size === 1 && differences.length >= 2)
    const { bytes } = packed.get(base)!.packed
    const backup = await copyOf('fresh')
    await changeRecords(backup, [base], () => undefined)
    await changeRecords(backup, differences, (_, key) => {
      const document = packed.get(key)!
      const whole = unpack(document.packed, parseKey(key)?.parts[2] as string, () => bytes)
      return sealRecord(key, encodeDocument({ ...document, packed: { form: 'whole', bytes: whole } }))
    })

    const environment = await withRuined(base)
    const done = await repair(environment, backup)
    assert.deepEqual(done.lost, [nameOf(base)])
    const server = await lived.terminal.host(lived.placeOf(done.made))
    for (const key of differences) {
      const [gun = '', role, sha256] = (parseKey(key)?.parts ?? []) as string[]
      const { status, body } = await exchange(server, { path: tufPath(gun, `${role}.${sha256}.json`) })
      assert.deepEqual([status, createHash('sha256').update(body).digest('hex')], [200, sha256])
    }
    await server.end()
    // The rest can still be recovered: the repaired store is repaired again with a backup that has it.
    assert.deepEqual((await repair(lived.placeOf(done.made), 'old')).lost, [])
    // Differences are kept for that, too, though they cannot be read meanwhile.
    const without = await repair(environment)
    assert.ok(differences.every((key) => without.lost.includes(nameOf(key))))
    const others = await copyOf('fresh')
    await changeRecords(others, differences, () => undefined)
    assert.deepEqual((await repair(lived.placeOf(without.made), others)).lost, [])
  })

  test('a difference is stored whole if what it differs from may have been deleted', async () => {
    const payloadIn = (records: Map<string, Buffer>, key: Buffer): Buffer =>
      openRecord(key, records.get(key.toString('hex')) ?? Buffer.of())
    const ofTargets = (kind: string): Buffer[] =>
      keysOfKind(kind).filter((key) => nameOf(key).startsWith(`${kind} ${APP} targets `))
    const bases = new Map(
      ofTargets('document').flatMap((key) => {
        const { packed } = decodeDocument(payloadIn(good, key))
        return packed.form === 'difference' ? [[key, packed.base]] : []
      }),
    )
    const [base] = bases.values()
    assert.ok(base !== undefined)
    const gone = [
      ...ofTargets('document').filter((key) => parseKey(key)?.parts[2] === base),
      ...ofTargets('version').filter((key) => payloadIn(good, key).toString('hex') === base),
    ]
    assert.equal(gone.length, 2)
    // What this entry says may be the delete.
    const entry = journalKey(Number(payloadIn(good, historyKey(parseGun(APP), 1))))
    const environment = await damaged(async (directory) => {
      await changeRecords(directory, [entry], ruined)
      await changeRecords(directory, gone, () => undefined)
    })
    const backup = await copyOf('fresh')
    await changeRecords(backup, [entry], ruined)
    const { made, lost } = await repair(environment, backup)
    assert.deepEqual(lost, [nameOf(entry)])
    const records = await recordsMade(made)
    for (const key of gone) assert.ok(!records.has(key.toString('hex')))
    for (const [key, of] of bases) {
      if (of === base) assert.equal(decodeDocument(payloadIn(records, key)).packed.form, 'whole')
    }
  })

  test('of two documents stored as differences to each other, in store and backup, both are recovered', async () => {
    const targets = keysOfKind('document').filter((key) => parseKey(key)?.parts[1] === 'targets')
    const documentOf = (key: Buffer): PackedDocument =>
      decodeDocument(openRecord(key, good.get(key.toString('hex')) ?? Buffer.of()))
    const shaOf = (key: Buffer): string => String(parseKey(key)?.parts[2])
    const later = targets.find((key) => documentOf(key).packed.form === 'difference')
    assert.ok(later !== undefined)
    const earlier = targets.find((key) => shaOf(key) === (documentOf(later).packed as { base: string }).base)
    assert.ok(earlier !== undefined)
    const { bytes } = documentOf(earlier).packed
    const laterBytes = unpack(documentOf(later).packed, shaOf(later), () => bytes)
    const packed = await pack(bytes, { sha256: shaOf(later), bytes: laterBytes })
    assert.equal(packed.form, 'difference')
    const environment = await damaged(async (directory) => {
      await changeRecords(directory, [later], ruined)
      await changeRecords(directory, [earlier], (_, key) =>
        sealRecord(key, encodeDocument({ ...documentOf(earlier), packed })),
      )
    })
    assert.deepEqual((await repair(environment, 'fresh')).lost, [])
  })

  test('a list of keys is outdated if a key in it is pending and has signed', async () => {
    const key = keysKey(parseGun(APP), 'timestamp')
    const environment = await damaged((directory) =>
      changeRecords(directory, [key], (record) => {
        const list = decodeKeys(openRecord(key, record))
        assert.ok(list.every(({ pending }) => !pending))
        return sealRecord(key, encodeKeys(list.map((each) => ({ ...each, pending: true }))))
      }),
    )
    const done = await repair(environment)
    assert.deepEqual(await differing(done), [])
    assert.equal(done.sources[`keys ${APP} timestamp`], 'derived')
  })

  test('a key that is offered but has not signed stays pending in a mended list', async () => {
    const gun = parseGun(OWN)
    const key = keysKey(gun, 'snapshot')
    const { directory, environment } = await lived.copy(`damaged-${(copies += 1)}`)
    const change = { what: 'keys' as const, roles: ['snapshot' as const] }
    await lived.terminal.ask(stageNextRoot, { gun, change }, environment)
    const before = await recordsOf(directory)
    await changeRecords(directory, [key], (record) => {
      const list = decodeKeys(openRecord(key, record))
      assert.deepEqual(new Set(list.map(({ pending }) => pending)), new Set([true, false]))
      return sealRecord(key, encodeKeys(list.map((each) => ({ ...each, pending: true }))))
    })
    const { made, sources } = await repair(environment)
    assert.equal(sources[nameOf(key)], 'derived')
    assert.deepEqual(await recordsMade(made), before)
  })

  test('a list with a key that the journal does not name is not used', async () => {
    const key = keysKey(parseGun(APP), 'timestamp')
    const environment = await damaged((directory) =>
      changeRecords(directory, [key], (record) => {
        const [first, ...more] = decodeKeys(openRecord(key, record))
        return sealRecord(key, encodeKeys([first!, ...more, { ...first!, keyId: 'f'.repeat(64) }]))
      }),
    )
    assert.deepEqual((await repair(environment)).lost, [nameOf(key)])
    assert.deepEqual(await differing(await repair(environment, 'fresh')), [])
  })

  test('a list whose key is sealed in another form than the journal names is not used', async () => {
    const key = keysKey(parseGun(APP), 'timestamp')
    const environment = await damaged((directory) =>
      changeRecords(directory, [key], (record) => {
        const list = decodeKeys(openRecord(key, record))
        return sealRecord(key, encodeKeys(list.map((each) => ({ ...each, sealed: each.sealed.toReversed() }))))
      }),
    )
    assert.deepEqual((await repair(environment)).lost, [`keys ${APP} timestamp`])
    assert.deepEqual(await differing(await repair(environment, 'fresh')), [])
  })

  test('--dry-run prints the same and makes nothing; --json has the same content', async () => {
    const environment = await withRuined(headKey(parseGun(APP)), recordKey('user', 'alice'))
    const rehearsed = await types(environment, '--dry-run')
    assert.equal(rehearsed.code, 1)
    assert.match(
      rehearsed.stdout,
      /^repaired: head example.org\/app, from what else is stored\nstill damaged: user alice\nwould make \S+: 1 record repaired, 1 still damaged, 0 left behind, 147 whole; 29 commits, as before\nhint: .*\n$/,
    )
    await assert.rejects(readdir(lived.terminal.path(rehearsed.made)), { code: 'ENOENT' })
    const { code, stdout, made } = await types(environment, '--json', '--from', 'fresh')
    assert.equal(code, 0)
    const { check: found, newest, ...said } = JSON.parse(stdout) as { check: { findings: unknown[] }; newest: string }
    assert.match(newest, /^20\d\d-\d\d-\d\dT/)
    assert.deepEqual(said, {
      ...{ directory: lived.terminal.path(made), commits: 29, whole: 147 },
      repaired: [
        { record: `head ${APP}`, from: 'backup' },
        { record: 'user alice', from: 'backup' },
      ],
      ...{ turnedBack: [], relisted: false, givenUp: 0, lost: [], left: [], unnamed: [] },
    })
    assert.deepEqual(found.findings, [])
  })

  test('repair is refused without a store, beside a running server, or without room', async (t) => {
    const fails = async (args: readonly string[], message: RegExp, more = {}): Promise<void> => {
      const { code, stdout, stderr } = await lived.terminal.run(['repair', ...args], { ...environment, ...more })
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, message)
    }
    const refuses = (name: string, from: string | undefined, message: RegExp, hint: RegExp): Promise<void> =>
      assert.rejects(lived.repair(environment, name, from === undefined ? {} : { from }), {
        name: 'TrustError',
        message,
        hint,
      })
    const environment = await withRuined(headKey(parseGun(APP)))
    const data = environment['COUNTERSIGN_DATA_DIRECTORY'] ?? ''
    await fails(['old'], /^error: the directory \S+\/old is not empty\nhint: name a new one each time\n$/)
    await fails(['old', '--dry-run'], /^error: the directory \S+\/old is not empty\n/)
    await refuses(join(data, 'new'), undefined, /^the directory \S+\/new lies in \S+\/data$/, /./)
    const named = /^name a directory that "countersign backup" made/
    await refuses('new', 'nowhere', /^there is no database in \S+\/nowhere, nor in \S+$/, named)
    await refuses('new', environment['COUNTERSIGN_KEYS_DIRECTORY'], /^there is no database in /, named)

    const other = await storePlace(t)
    await (await newStore(t, other)).close()
    await refuses('new', other.directory, /^the backup is from another server$/, /^use a backup of this server$/)
    await fails(['new'], /^error: there is no database in \S+\/nothing\nhint: check the setting dataDirectory\n$/, {
      COUNTERSIGN_DATA_DIRECTORY: lived.terminal.path('nothing'),
    })

    const inUse = /^error: a server, or another command, uses the database in \S+\nhint: stop it first: /
    const server = await lived.terminal.host(environment)
    await fails(['new'], inUse)
    await server.end()
    const database = await Database.open(data, false)
    await fails(['new'], inUse)
    await database.close()

    assert.deepEqual(await readdir(lived.terminal.path('new')).catch(() => []), [])
  })

  test('an undamaged store is copied; with an anchor elsewhere, repair says where each part belongs', async () => {
    await mkdir(lived.terminal.path('elsewhere'))
    const environment = {
      ...(await damaged(async () => {})),
      COUNTERSIGN_ANCHOR_FILE: lived.terminal.path('elsewhere', 'anchor'),
    }
    await cp(lived.terminal.path('keys', 'anchor'), lived.terminal.path('elsewhere', 'anchor'))
    const done = await types(environment)
    assert.equal(done.code, 0)
    assert.match(
      done.stdout,
      /: 0 records repaired, 0 still damaged, 0 left behind, 149 whole; 29 commits, as before\n/,
    )
    assert.match(
      done.stdout,
      /^next, start from it:\n {2}COUNTERSIGN_DATA_DIRECTORY=\S+\/data COUNTERSIGN_KEYS_DIRECTORY=\S+ COUNTERSIGN_ANCHOR_FILE=\S+\/keys\/anchor countersign serve\nor move .* put \S+\/data as \S+\/data, \S+\/keys as \S+\/keys, \S+\/keys\/anchor as \S+\/elsewhere\/anchor\n$/m,
    )
    assert.deepEqual(await differing(done), [])
    await writeFile(lived.terminal.path('my settings.json'), '{ "access": { "mode": "built-in" } }')
    const configured = await lived.terminal.run(['--config', 'my settings.json', 'repair', 'a copy'], environment)
    assert.match(
      configured.stdout,
      /^ {2}COUNTERSIGN_DATA_DIRECTORY='\S+\/a copy\/data' .* countersign --config '\/\S+\/my settings.json' serve$/m,
    )
  })

  /** Variables for a backup that must not be opened. */
  async function copyOf(backup: string): Promise<string> {
    const copy = lived.terminal.path(`copy-${(copies += 1)}`)
    await cp(lived.terminal.path(backup, 'data'), copy, { recursive: true })
    return copy
  }
})

/** Returns a hash of each file. */
async function filesOf(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).toSorted()
  const hashes = names.map(async (name) =>
    createHash('sha256')
      .update(await readFile(join(directory, name)))
      .digest('hex'),
  )
  return Object.fromEntries((await Promise.all(hashes)).map((hash, index) => [names[index], hash]))
}
