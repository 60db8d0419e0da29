import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openKeysDirectory } from '../../src/signing/keys-directory.ts'
import { openStore } from '../../src/store/level-store.ts'
import type { Repair } from '../../src/repair.ts'
import { parseKey } from '../../src/store/keyspace.ts'
import { changeRecords, recordsOf, ruined } from '../support/lived-in.ts'
import { Terminal } from '../cli/terminal.ts'
import { commitOf, documentOf } from '../support/test-store.ts'
import { until } from '../support/until.ts'

/** The header of a record in LevelDB's log: checksum, length, type. */
const HEADER_BYTES = 7

/**
 * LevelDB writes a table per 8 MB while a process runs, and records it in its list of tables (MANIFEST). Where the end of
 * that list is lost, or an older one was put back, LevelDB takes the newest tables for a crash's leftovers and deletes them.
 */
describe('a list of tables that lost its end', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
    const { anchorKey } = await openKeysDirectory(terminal.path('keys'))
    const place = { directory: terminal.path('data'), anchorFile: terminal.path('keys', 'anchor'), anchorKey }
    const store = await openStore(place)
    for (let number = 1; number <= 60; number += 1) {
      const text = randomBytes(100_000).toString('hex')
      await store.commit(commitOf(`example.org/team ${number}`, 0, [documentOf('targets', 1, text)]))
    }
    // LevelDB deletes the older log once its table is in the list.
    const logs = async (): Promise<number> =>
      (await readdir(terminal.path('data'))).filter((name) => name.endsWith('.log')).length
    await until('the older log to go', async () => (await logs()) === 1)
    await store.close()
    const { list, records } = await listIn(terminal.path('data'))
    await writeFile(list, (await readFile(list)).subarray(0, records.at(-1)))
    await cp(terminal.path('data'), terminal.path('crashed'), { recursive: true })
  })
  after(() => terminal.close())

  async function listIn(directory: string): Promise<{ list: string; records: number[] }> {
    const name = (await readdir(directory)).find((each) => each.startsWith('MANIFEST-')) ?? ''
    const bytes = await readFile(join(directory, name))
    const records: number[] = []
    for (let at = 0; at < bytes.length; at += HEADER_BYTES + bytes.readUInt16LE(at + 4)) records.push(at)
    return { list: join(directory, name), records }
  }

  async function hashes(): Promise<Record<string, string>> {
    const names = (await readdir(terminal.path('data'))).filter((name) => /\.(?:ldb|log)$/.test(name))
    const hash = async (name: string): Promise<[string, string]> => {
      const bytes = await readFile(terminal.path('data', name))
      return [name, createHash('sha256').update(bytes).digest('hex')]
    }
    return Object.fromEntries(await Promise.all(names.map(hash)))
  }

  test('prevents a start before any table is touched, and repair restores all of it', async () => {
    const before = await hashes()
    for (const command of ['serve', 'check']) {
      const { code, stderr } = await terminal.run([command])
      assert.equal(code, 2)
      assert.match(
        stderr,
        /^error: the list of tables MANIFEST-\d+ of the database in data has lost its end: 1 existing table is not in it\nhint: try "countersign repair DIRECTORY"/,
      )
      assert.deepEqual(await hashes(), before)
    }
    for (const options of [['--dry-run'], []]) {
      const { code, stdout } = await terminal.run(['repair', 'made', ...options])
      assert.deepEqual([code, await hashes()], [0, before])
      assert.match(stdout, /^repaired: the list of tables \(MANIFEST\), rebuilt [^]* 60 commits, as before$/m)
    }
  })

  test('repair does not overwrite a table missing from the list, whatever log is there', async () => {
    const names = await readdir(terminal.path('crashed'))
    const [table = '', log = ''] = [/\.ldb$/, /\.log$/].map((kind) => names.findLast((name) => kind.test(name)))
    const bytes = await readFile(terminal.path('crashed', table))
    // The list names the log before this one.
    const before = `${String(parseInt(log, 10) - 1).padStart(6, '0')}.log`
    await cp(terminal.path('crashed', log), terminal.path('crashed', before))
    const place = { COUNTERSIGN_DATA_DIRECTORY: terminal.path('crashed') }
    const { stderr } = await terminal.run(['repair', 'of-crashed'], place)
    assert.match(stderr, /^error: journal entry \d+ is missing\nhint: .*; nothing was changed/)
    assert.ok(bytes.equals(await readFile(terminal.path('crashed', table))))
  })

  test('an unfinished compaction does not make repair rebuild the list', async () => {
    const data = terminal.path('made', 'data')
    const place = { COUNTERSIGN_DATA_DIRECTORY: data, COUNTERSIGN_KEYS_DIRECTORY: terminal.path('made', 'keys') }
    // Damage every large table: LevelDB may drop one of them.
    for (const table of (await readdir(data)).filter((name) => name.endsWith('.ldb'))) {
      const whole = await readFile(join(data, table))
      if (whole.length > 1_300) await writeFile(join(data, table), whole.fill(0xa5, 1_000, 1_300))
    }
    const said = async (): Promise<string> =>
      (await terminal.run(['repair', 'of-compacted', '--dry-run'], place)).stdout
    const without = await said()
    assert.match(without, /^still damaged: document [^]* still damaged, /)
    // A compaction that failed on an unreadable table leaves such a file.
    await writeFile(join(data, '999999.ldb'), '')
    assert.equal(await said(), without)
  })

  test('repair of very many records prints counts per kind instead of names', async () => {
    const place = {
      COUNTERSIGN_DATA_DIRECTORY: terminal.path('made', 'data'),
      COUNTERSIGN_KEYS_DIRECTORY: terminal.path('made', 'keys'),
    }
    const records = await recordsOf(terminal.path('made', 'data'))
    const keys = [...records.keys()].map((hex) => Buffer.from(hex, 'hex'))
    const kindOf = (key: Buffer): string => parseKey(key)?.kind ?? ''
    await changeRecords(
      terminal.path('made', 'data'),
      keys.filter((key) => ['document', 'version', 'history'].includes(kindOf(key))),
      ruined,
    )
    const { code, stdout } = await terminal.run(['repair', 'counted'], place)
    assert.equal(code, 1)
    assert.match(stdout, /^repaired: 1 × history, 1 × version of example\.org\/team 7, from what else is stored$/m)
    assert.match(stdout, /^made \S+: 120 records repaired, 60 still damaged, /m)
    assert.match(stdout, /^hint: with --dry-run --json, and another directory, the same command names each record$/m)
    assert.match(stdout, /^and \d+ more, which "countersign check" names$/m)
    assert.ok(stdout.split('\n').length < 300)
    const said = await terminal.run(['repair', 'another', '--dry-run', '--json'], place)
    assert.equal((JSON.parse(said.stdout) as Repair).repaired.length, 120)
  })
})
