import assert from 'node:assert/strict'
import { open, readdir, readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { unsnap } from '../../src/store/leveldb/snappy.ts'
import { namedIn, placesIn } from '../../src/store/leveldb/table-file.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { Terminal } from './terminal.ts'

const GUNS = Array.from({ length: 16 }, (_, number) => `example.org/r${number + 10}`)

/** Damages only the third block of a table with heads, which holds four of them. */
async function harm(data: string): Promise<void> {
  for (const name of (await readdir(data)).filter((each) => each.endsWith('.ldb'))) {
    const table = await readFile(`${data}/${name}`)
    const [, , block] = placesIn(table, namedIn(table).index).filter(({ at, bytes }) => {
      const text = table[at + bytes] === 1 ? unsnap(table.subarray(at, at + bytes)).toString('latin1') : ''
      return text.includes('"highest"')
    })
    if (block === undefined) continue
    await using file = await open(`${data}/${name}`, 'r+')
    await file.write(Buffer.alloc(block.bytes, 0xa5), 0, block.bytes, block.at)
    return
  }
  assert.fail('no such block')
}

describe('some names of repositories cannot be read', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    const server = await terminal.host()
    for (const gun of GUNS) {
      const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
      await world.publishFirst(server)
    }
    await server.end()
    // A restart moves the log into a table.
    await (await terminal.host()).end()
    await harm(terminal.path('data'))
  })
  after(() => terminal.close())

  test('all others are listed, even those after the damage', async () => {
    const { code, stdout } = await terminal.run(['repo', 'list', '--json'])
    const rows = JSON.parse(stdout) as { gun: string; damaged?: string }[]
    const whole = rows.flatMap(({ gun, damaged }) => (damaged === undefined ? [gun] : []))
    assert.equal(code, 1)
    assert.ok(whole.length >= GUNS.length - 5, whole.join())
    assert.ok(whole.includes(GUNS[0]!) && whole.includes(GUNS.at(-1)!), whole.join())
    assert.deepEqual(rows.at(-1), { gun: '(the rest)', damaged: 'the database cannot be read' })
    await terminal.prints('repo list', /\n\(the rest\) +- +- +damaged: countersign check\n$/, 1)
    await terminal.prints('check', new RegExp(`\\n1[1-5] repositories, `), 1)
  })

  test('rotating all of a pattern reports that there may be more', async () => {
    const { code, stdout } = await terminal.run('key rotate example.org/* timestamp --all --plan --json'.split(' '))
    const plans = JSON.parse(stdout) as { gun: string; obstacles: string[] }[]
    assert.equal(code, 1)
    assert.equal(plans[0]?.gun, GUNS[0])
    assert.deepEqual(plans.at(-1)?.obstacles, ['there is no repository (the rest)'])
  })
})
