import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { stageNextRoot } from '../../src/admin/roots.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { addUser, listUsers, removeUser, setUser } from '../../src/admin/users.ts'
import type { Repair } from '../../src/repair.ts'
import { decodeHead, encodeHead } from '../../src/store/encoding.ts'
import { headKey, historyKey, journalKey, keysKey, nameOf, parseKey, recordKey } from '../../src/store/keyspace.ts'
import { openRecord, sealRecord } from '../../src/store/database/record.ts'
import { parseGun, SERVER, type Gun } from '../../src/tuf/gun.ts'
import { APP, changeRecords, livedIn, OWN, putRecords, recordsOf, ruined, type LivedIn } from '../support/lived-in.ts'

const READ = [{ pattern: '*', actions: ['read' as const] }]

describe('countersign repair where a journal entry is lost', () => {
  let lived: LivedIn
  let copies = 0

  before(async () => {
    lived = await livedIn()
  })
  after(() => lived.terminal.close())

  interface Damaged {
    readonly directory: string
    readonly environment: Record<string, string>
    readonly records: Map<string, Buffer>
  }

  /** Copies the stopped server, after this work on the copy. */
  async function copyAfter(
    work: (environment: Record<string, string>) => Promise<unknown> = async () => {},
  ): Promise<Damaged> {
    const copy = await lived.copy(`damaged-${(copies += 1)}`)
    await work(copy.environment)
    return { ...copy, records: await recordsOf(copy.directory) }
  }

  const add =
    (...names: string[]) =>
    async (environment: Record<string, string>): Promise<void> => {
      for (const name of names) await lived.terminal.ask(addUser, { name, grants: READ }, environment)
    }

  /** Returns the users of the store that was repaired last. */
  async function users(): Promise<string[]> {
    return (await lived.terminal.ask(listUsers, {}, lived.placeOf(`made-${copies}`))).map(({ name }) => name)
  }

  /** Returns the numbers of a repository's journal entries, oldest first. */
  function entriesOf({ records }: Damaged, gun: Gun): number[] {
    const numbers: number[] = []
    for (let revision = 1; ; revision += 1) {
      const key = historyKey(gun, revision)
      const record = records.get(key.toString('hex'))
      if (record === undefined) return numbers
      numbers.push(Number(openRecord(key, record).toString()))
    }
  }

  async function repair({ environment }: Damaged, options: { readonly from?: string } = {}): Promise<Repair> {
    const done = await lived.repair(environment, `made-${copies}`, options)
    assert.ok(done.lost.length > 0)
    return done
  }

  /** Replaces these records by those of `old`. */
  async function putBack({ directory }: Damaged, ...keys: Buffer[]): Promise<void> {
    const older = await recordsOf(lived.terminal.path('old', 'data'))
    await putRecords(
      directory,
      keys.map((key) => [key, older.get(key.toString('hex'))!]),
    )
  }

  const made = (): Promise<Map<string, Buffer>> => recordsOf(lived.terminal.path(`made-${copies}`, 'data'))

  const rules = [recordKey('user', 'alice'), recordKey('policy', 'user:alice')]

  test('an older policy or user is not used, whichever entry is lost', async () => {
    for (const gun of [parseGun(APP), SERVER]) {
      const copy = await copyAfter()
      const number = entriesOf(copy, gun).at(gun === SERVER ? -2 : -1)!
      await changeRecords(copy.directory, [journalKey(number)], ruined)
      await putBack(copy, ...rules)
      assert.deepEqual((await repair(copy)).lost, [`journal ${number}`, ...rules.map(nameOf)])
    }
  })

  test("a backup's older list of keys is not used, since the lost entry may have made a key", async () => {
    const copy = await copyAfter()
    const gun = parseGun(OWN)
    const number = entriesOf(copy, gun).at(-1)!
    await changeRecords(copy.directory, [journalKey(number), keysKey(gun, 'timestamp')], ruined)
    const { lost } = await repair(copy, { from: 'old' })
    assert.deepEqual(lost, [`journal ${number}`, nameOf(keysKey(gun, 'timestamp'))])
  })

  test('an entry of a diverged backup does not replace a lost one, however long that went on', async () => {
    for (const names of [['mallory'], ['mallory', 'oscar', 'trudy']]) {
      await copyAfter(add(...names))
      const other = lived.terminal.path(`damaged-${copies}`)
      const copy = await copyAfter(add('carol', 'dave', 'erin'))
      const numbers = entriesOf(copy, SERVER).slice(-3, -1)
      await changeRecords(copy.directory, numbers.map(journalKey), ruined)
      const { lost } = await repair(copy, { from: other })
      for (const number of numbers) assert.ok(lost.includes(`journal ${number}`), lost.join())
      assert.ok(!(await users()).includes('mallory'))
    }
  })

  test('a removed user does not come back', async () => {
    const user = recordKey('user', 'bob')
    for (const later of [false, true]) {
      const copy = await copyAfter(async (environment) => {
        await lived.terminal.ask(removeUser, { name: 'bob' }, environment)
        if (later) await add('carol', 'dave')(environment)
      })
      const [number = 0] = entriesOf(copy, SERVER).slice(later ? -2 : 1)
      await changeRecords(copy.directory, [journalKey(number)], ruined)
      await putBack(copy, user)
      const { left, lost } = await repair(copy)
      assert.deepEqual([left, lost.slice(0, 1)], [['user bob'], [`journal ${number}`]])
      assert.ok(!(await users()).includes('bob'))
    }
  })

  test('a head between two commits with lost entries is not used', async () => {
    for (const [name, first] of [
      [APP, -2],
      [OWN, 0],
    ] as const) {
      const copy = await copyAfter()
      const gun = parseGun(name)
      await changeRecords(copy.directory, entriesOf(copy, gun).slice(first).map(journalKey), ruined)
      await changeRecords(copy.directory, [headKey(gun)], (record, key) => {
        const head = decodeHead(openRecord(key, record))
        return sealRecord(key, encodeHead({ ...head, revision: head.revision - 1 }))
      })
      assert.ok((await repair(copy)).lost.includes(`head ${name}`), name)
    }
  })

  test('a record that no lost entry can have named is left behind', async () => {
    const copy = await copyAfter()
    const number = entriesOf(copy, parseGun(APP)).at(-1)!
    await changeRecords(copy.directory, [journalKey(number)], ruined)
    const stray = recordKey('user', 'mallory')
    await putRecords(copy.directory, [[stray, sealRecord(stray, Buffer.from('{}'))]])
    assert.deepEqual((await repair(copy)).left, [nameOf(stray)])
  })

  test('a value that no entry names is not used if all entries after its own are there', async () => {
    const copy = await copyAfter()
    const [number = 0] = entriesOf(copy, SERVER)
    await changeRecords(copy.directory, [journalKey(number)], ruined)
    await changeRecords(copy.directory, rules.slice(0, 1), (_, key) => sealRecord(key, Buffer.from('{}')))
    assert.deepEqual((await repair(copy)).lost, [`journal ${number}`, 'user alice'])
  })

  for (const isKnown of [true, false]) {
    test(`the newest lost entry counts, ${isKnown ? 'of a known repository' : 'even of an unknown one'}`, async () => {
      const copy = await copyAfter(async (environment) => {
        await lived.terminal.ask(setUser, { name: 'bob', grants: [] }, environment)
        await lived.terminal.ask(makeSigner, { name: 'nightly' }, environment)
        await add('carol')(environment)
      })
      // The first one is from before bob, the others from after.
      const numbers = [0, -3, -2].map((at) => entriesOf(copy, SERVER).at(at)!)
      const histories = [...copy.records].flatMap(([hex, record]) => {
        const key = Buffer.from(hex, 'hex')
        return parseKey(key)?.kind === 'history' && numbers.includes(Number(openRecord(key, record))) ? [key] : []
      })
      await changeRecords(copy.directory, numbers.map(journalKey), ruined)
      if (!isKnown) await changeRecords(copy.directory, histories, () => undefined)
      const { left, lost } = await repair(copy)
      assert.deepEqual([left, lost], [[], numbers.map((number) => `journal ${number}`)])
      assert.deepEqual(await made(), await recordsOf(copy.directory))
    })
  }

  test('of a repository without any entry left everything is kept; what is damaged of it is named', async () => {
    const gun = parseGun(OWN)
    const copy = await copyAfter(async (environment) => {
      const change = { what: 'keys' as const, roles: ['snapshot' as const] }
      await lived.terminal.ask(stageNextRoot, { gun, change }, environment)
      await add('carol')(environment)
    })
    const numbers = entriesOf(copy, gun)
    await changeRecords(copy.directory, numbers.map(journalKey), ruined)
    const entries = numbers.map((number) => `journal ${number}`)
    const { left, lost, unnamed } = await repair(copy)
    assert.deepEqual([left, lost], [[], entries])
    for (const name of [`staged-root ${OWN}`, `head ${OWN}`, `keys ${OWN} snapshot`]) assert.ok(unnamed.includes(name))
    assert.deepEqual(await made(), await recordsOf(copy.directory))

    const kinds = ['document', 'version', 'keys', 'history', 'owner', 'head']
    const ruins = kinds.map((kind) => {
      const names = new Set(unnamed)
      const keys = [...copy.records.keys()].map((hex) => Buffer.from(hex, 'hex'))
      return keys.find((key) => parseKey(key)?.kind === kind && names.has(nameOf(key)))!
    })
    await changeRecords(copy.directory, ruins, ruined)
    copies += 1
    assert.deepEqual(new Set((await repair(copy)).lost), new Set([...entries, ...ruins.map(nameOf)]))
    assert.deepEqual(await made(), await recordsOf(copy.directory))
  })

  test('a head that the newest entry names is taken from a backup, although an earlier entry is lost', async () => {
    const copy = await copyAfter()
    const gun = parseGun(APP)
    const [number = 0] = entriesOf(copy, gun)
    await changeRecords(copy.directory, [journalKey(number)], ruined)
    const other = await copyAfter()
    await changeRecords(other.directory, [journalKey(number)], ruined)
    await changeRecords(copy.directory, [headKey(gun)], ruined)
    const { lost } = await repair(copy, { from: lived.terminal.path(`damaged-${copies}`) })
    assert.deepEqual(lost, [`journal ${number}`])
  })

  test('a document without its record is named, although a lost entry may have been a delete', async () => {
    const copy = await copyAfter()
    const gun = parseGun(APP)
    const number = entriesOf(copy, gun).at(-1)!
    const document = [...copy.records.keys()]
      .map((hex) => Buffer.from(hex, 'hex'))
      .find((key) => parseKey(key)?.kind === 'document' && nameOf(key).startsWith(`document ${APP} root `))!
    await changeRecords(copy.directory, [journalKey(number)], ruined)
    await changeRecords(copy.directory, [document], () => undefined)
    assert.deepEqual((await repair(copy)).lost, [`journal ${number}`, nameOf(document)])
  })
})
