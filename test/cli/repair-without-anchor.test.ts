import assert from 'node:assert/strict'
import { cp, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { listTags, signTag } from '../../src/admin/tags.ts'
import { addUser, setUser } from '../../src/admin/users.ts'
import { formatKey, journalKey, parseKey } from '../../src/store/keyspace.ts'
import { openRecord } from '../../src/store/database/record.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { changeRecords, livedIn, OWN, recordsOf, ruined, type LivedIn } from '../support/lived-in.ts'

const THREE = `sha256:${'3'.repeat(64)}`
const WHAT_TO_DO = /without one: "countersign repair DIRECTORY --without-anchor"/
type Place = Record<string, string>

describe('countersign repair --without-anchor', () => {
  let lived: LivedIn
  let copies = 0
  /** The entries of the journal, and those of an older backup, oldest first. */
  let journal: JournalEntry[]
  let oldJournal: JournalEntry[]

  before(async () => {
    lived = await livedIn()
    const { directory } = await lived.copy('good')
    journal = await journalOf(directory)
    await cp(lived.terminal.path('old', 'data'), lived.terminal.path('old-data'), { recursive: true })
    oldJournal = await journalOf(lived.terminal.path('old-data'))
  })
  after(() => lived.terminal.close())

  async function journalOf(directory: string): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = []
    for (const [hex, record] of await recordsOf(directory)) {
      const key = Buffer.from(hex, 'hex')
      if (parseKey(key)?.kind !== 'journal') continue
      entries.push(JSON.parse(openRecord(key, record).toString()) as JournalEntry)
    }
    return entries
  }

  const grants = [{ pattern: '*', actions: ['read' as const] }]
  const newCopy = (): Promise<{ directory: string; environment: Record<string, string> }> =>
    lived.copy(`damaged-${(copies += 1)}`)
  const anchorOf = ({ COUNTERSIGN_KEYS_DIRECTORY: keys = '' }: Record<string, string>): string => `${keys}/anchor`

  /** Replaces the anchor by one that the same keys signed for another store. */
  async function anchorOfAnother(anchor: string): Promise<void> {
    await cp(dirname(anchor), lived.terminal.path('another', 'keys'), { recursive: true })
    await rm(lived.terminal.path('another', 'keys', 'anchor'))
    await (await lived.terminal.host(lived.placeOf('another'))).end()
    await cp(lived.terminal.path('another', 'keys', 'anchor'), anchor)
  }

  /** Asserts that the repaired store is sound. */
  async function isSound(made: string, commits: number): Promise<void> {
    assert.match(
      await lived.terminal.checked(lived.placeOf(made)),
      new RegExp(` ${commits} commits, \\d+ records: sound`),
    )
  }

  for (const [what, harm] of [
    ['is gone', (anchor: string) => rm(anchor)],
    ['has nothing that is signed', (anchor: string) => writeFile(anchor, Buffer.alloc(1024, ' '))],
    ['is of another store', (anchor: string) => anchorOfAnother(anchor)],
  ] as const) {
    test(`an anchor that ${what} is named with what to do, and nothing is lost`, async () => {
      const { environment } = await newCopy()
      await harm(anchorOf(environment))
      const made = `made-${copies}`
      for (const refused of [
        () => lived.terminal.host(environment),
        () => lived.terminal.checked(environment),
        () => lived.repair(environment, 'nowhere'),
      ])
        await assert.rejects(refused, { name: 'TrustError', hint: WHAT_TO_DO })
      const { commits, newest, givenUp } = await lived.repair(environment, made, { withoutAnchor: true })
      assert.deepEqual([commits, newest, givenUp], [journal.length, journal.at(-1)!.time, 0])
      await isSound(made, journal.length)
    })
  }

  test('an anchor older than the database, or of another one that went on longer, gives nothing up', async () => {
    const { environment } = await newCopy()
    await cp(lived.terminal.path('old', 'keys', 'anchor'), anchorOf(environment))
    assert.equal((await lived.repair(environment, `made-${copies}`, { withoutAnchor: true })).givenUp, 0)

    const longer = {
      COUNTERSIGN_DATA_DIRECTORY: lived.terminal.path('longer'),
      COUNTERSIGN_KEYS_DIRECTORY: dirname(anchorOf(environment)),
    }
    await rm(anchorOf(environment))
    const server = await lived.terminal.host(longer)
    for (let number = 0; number <= journal.length; number += 1) {
      await lived.terminal.ask(addUser, { name: `u${number}`, grants }, longer)
    }
    await server.end()
    assert.equal((await lived.repair(environment, `made-${copies}-again`, { withoutAnchor: true })).givenUp, 0)
  })

  test('an empty store that lost its anchor is repaired', async () => {
    const place = lived.placeOf('empty')
    await (await lived.terminal.host(place)).end()
    await rm(anchorOf(place))
    const { code, stdout } = await lived.terminal.run(['repair', 'made-empty', '--without-anchor'], place)
    assert.equal(code, 0)
    assert.match(stdout, / 0 commits, the store is empty\n0 repositories, 0 commits, 1 record: sound\n/)
  })

  test('every command prints the hint, and repair prints where the journal ends', async () => {
    const { environment } = await newCopy()
    await rm(anchorOf(environment))
    for (const args of [['serve'], ['check'], ['repair', 'nowhere']]) {
      const { code, stderr } = await lived.terminal.run(args, environment)
      assert.equal(code, 2)
      assert.match(stderr, WHAT_TO_DO, args.join(' '))
    }
    const { code, stdout } = await lived.terminal.run(['repair', `made-${copies}`, '--without-anchor'], environment)
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(` ${journal.length} commits, the newest of ${journal.at(-1)!.time}\n`))
  })

  test('a lost end is given up on request, and reported', async () => {
    const { directory, environment } = await newCopy()
    await rm(directory, { recursive: true })
    await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
    const made = `made-${copies}`
    const refused = await lived.terminal.run(['repair', made], environment)
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, new RegExp(`the end of the journal, entry ${journal.length}, is damaged or missing`))
    assert.match(refused.stderr, /--without-anchor gives up what was committed after the last entry that is there/)

    const dry = await lived.terminal.run(['repair', made, '--without-anchor', '--dry-run', '--json'], environment)
    const { commits, newest, givenUp } = JSON.parse(dry.stdout) as Record<string, unknown>
    assert.deepEqual(
      { commits, newest, givenUp },
      {
        commits: oldJournal.length,
        newest: oldJournal.at(-1)!.time,
        givenUp: journal.length - oldJournal.length,
      },
    )
    const { code, stdout } = await lived.terminal.run(['repair', made, '--without-anchor'], environment)
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`given up, since only the anchor names them: ${Number(givenUp)}\n`))
    await isSound(made, oldJournal.length)

    const server = await lived.terminal.host(lived.placeOf(made))
    const { tags } = await lived.terminal.ask(listTags, { gun: OWN }, lived.placeOf(made))
    assert.ok(tags.some(({ tag }) => tag === 'v1'))
    await server.end()
  })

  test('with the first record lost, too, an anchor identifies the store, even one of a backup', async () => {
    const { directory, environment } = await newCopy()
    await rm(directory, { recursive: true })
    await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
    await changeRecords(directory, [formatKey()], ruined)
    const made = `made-${copies}`
    const hint = /--without-anchor gives up what was committed after the last entry that is there/
    await assert.rejects(lived.repair(environment, made), { name: 'TrustError', hint })
    const { lost, givenUp } = await lived.repair(environment, made, { withoutAnchor: true })
    assert.deepEqual([lost, givenUp], [[], journal.length - oldJournal.length])
    await isSound(made, oldJournal.length)

    await rm(anchorOf(environment))
    await assert.rejects(lived.repair(environment, 'nowhere', { withoutAnchor: true }), {
      name: 'TrustError',
      message: /^the first record .* cannot be read, and without an anchor /,
      hint: /^put the anchor from a backup of any age in its place/,
    })
    await cp(lived.terminal.path('old', 'keys', 'anchor'), anchorOf(environment))
    assert.deepEqual((await lived.repair(environment, `${made}-again`, { withoutAnchor: true })).lost, [])
    await isSound(`${made}-again`, oldJournal.length)
  })

  for (const isLost of [false, true]) {
    test(`what a backup has of a lost end is not given up, ${isLost ? 'without an anchor' : 'with one'}`, async () => {
      const { directory, environment } = await newCopy()
      await rm(directory, { recursive: true })
      await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
      if (isLost) await rm(anchorOf(environment))
      const made = `made-${copies}`
      await assert.rejects(lived.repair(environment, made, { from: 'fresh', withoutAnchor: true }), {
        name: 'TrustError',
        message: new RegExp(`ends with entry ${oldJournal.length} of the journal, but the backup goes on`),
        hint: /^leave out --without-anchor/,
      })

      if (isLost) await cp(lived.terminal.path('fresh', 'keys', 'anchor'), anchorOf(environment))
      assert.deepEqual((await lived.repair(environment, made, { from: 'fresh' })).lost, [])
      await isSound(made, journal.length)
    })
  }

  test('a backup that went another way does not count as a continuation', async () => {
    const places: Place[] = []
    for (const names of [['carol'], ['mallory', 'trudy']]) {
      const { directory, environment } = await newCopy()
      await rm(directory, { recursive: true })
      await cp(lived.terminal.path('old', 'data'), directory, { recursive: true })
      await cp(lived.terminal.path('old', 'keys', 'anchor'), anchorOf(environment))
      for (const name of names) await lived.terminal.ask(addUser, { name, grants }, environment)
      places.push(environment)
    }
    const [environment = {}] = places
    await rm(anchorOf(environment))
    const from = `damaged-${copies}`
    const { commits, lost } = await lived.repair(environment, `made-${copies}`, { from, withoutAnchor: true })
    assert.deepEqual([commits, lost], [oldJournal.length + 1, []])
  })

  test('a backup older than the database does not count as a continuation', async () => {
    const { environment } = await newCopy()
    await rm(anchorOf(environment))
    const made = `made-${copies}`
    assert.deepEqual((await lived.repair(environment, made, { from: 'old', withoutAnchor: true })).lost, [])
    await isSound(made, journal.length)
  })

  for (const [what, last] of [
    ['a user', (place: Place) => lived.terminal.ask(setUser, { name: 'bob', grants }, place)],
    ['a tag', (place: Place) => lived.terminal.ask(signTag, { gun: OWN, tag: 'v3', digest: THREE, size: 10 }, place)],
  ] as const) {
    test(`an end that is damaged but present is not given up: ${what}`, async () => {
      const { directory, environment } = await newCopy()
      await last(environment)
      const number = journal.length + 1
      await rm(anchorOf(environment))
      // With its history record damaged, too, only the entry's own remains show that it was there.
      const histories = [...(await recordsOf(directory))].flatMap(([hex, record]) => {
        const key = Buffer.from(hex, 'hex')
        return parseKey(key)?.kind === 'history' && Number(openRecord(key, record)) === number ? [key] : []
      })
      assert.equal(histories.length, 1)
      for (const harmed of [journalKey(number), ...histories]) {
        await changeRecords(directory, [harmed], ruined)
        await assert.rejects(lived.repair(environment, 'nowhere', { withoutAnchor: true }), {
          name: 'TrustError',
          message: new RegExp(
            `the end of the journal, entry ${number}, is damaged, and without an anchor there is no way to tell`,
          ),
        })
      }
    })
  }
})
