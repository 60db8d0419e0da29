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

/** Of a record in a log of LevelDB's: checksum, length, type. */
const HEADER_BYTES = 7

/**
 * LevelDB writes a table beside a running process each 8 MB, and the list of its tables (MANIFEST) says so. Where the end of
 * that list is lost, or an older one was put back, it takes the newest tables for what a crash left, and removes them.
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
    // The older log goes when its table is in the list.
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

  test('ends a start before a table is touched, and repair makes all of it whole', async () => {
    const before = await hashes()
    for (const command of ['serve', 'check']) {
      const { code, stderr } = await terminal.run([command])
      assert.equal(code, 2)
      assert.match(
        stderr,
        /^error: the list of tables MANIFEST-\d+ of the database in data has lost its end: 1 table that is there is not in it\nhint: try "countersign repair DIRECTORY"/,
      )
      assert.deepEqual(await hashes(), before)
    }
    for (const options of [['--dry-run'], []]) {
      const { code, stdout } = await terminal.run(['repair', 'made', ...options])
      assert.deepEqual([code, await hashes()], [0, before])
      assert.match(stdout, /^repaired: the list of tables \(MANIFEST\), made anew [^]* 60 commits, as before$/m)
    }
  })

  test('repair does not write to a table that the list does not know, whatever log is there', async () => {
    const names = await readdir(terminal.path('crashed'))
    const [table = '', log = ''] = [/\.ldb$/, /\.log$/].map((kind) => names.findLast((name) => kind.test(name)))
    const bytes = await readFile(terminal.path('crashed', table))
    // The one before it is what the list names.
    const before = `${String(parseInt(log, 10) - 1).padStart(6, '0')}.log`
    await cp(terminal.path('crashed', log), terminal.path('crashed', before))
    const place = { COUNTERSIGN_DATA_DIRECTORY: terminal.path('crashed') }
    const { stderr } = await terminal.run(['repair', 'of-crashed'], place)
    assert.match(stderr, /^error: journal entry \d+ is missing\nhint: .*; nothing was changed/)
    assert.ok(bytes.equals(await readFile(terminal.path('crashed', table))))
  })

  test('what a compaction left half done is no reason to have the list made anew', async () => {
    const data = terminal.path('made', 'data')
    const place = { COUNTERSIGN_DATA_DIRECTORY: data, COUNTERSIGN_KEYS_DIRECTORY: terminal.path('made', 'keys') }
    // Each: one of them may be there no more for LevelDB.
    for (const table of (await readdir(data)).filter((name) => name.endsWith('.ldb'))) {
      const whole = await readFile(join(data, table))
      if (whole.length > 1_300) await writeFile(join(data, table), whole.fill(0xa5, 1_000, 1_300))
    }
    const said = async (): Promise<string> =>
      (await terminal.run(['repair', 'of-compacted', '--dry-run'], place)).stdout
    const without = await said()
    assert.match(without, /^still damaged: document [^]* still damaged, /)
    // LevelDB puts tables together when it has read one often: of one that it cannot read to its end this is left.
    await writeFile(join(data, '999999.ldb'), '')
    assert.equal(await said(), without)
  })

  test('of very many records repair prints how many there are of each kind, not their names', async () => {
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
