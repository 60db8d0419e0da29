import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { stageNextRoot } from '../../src/admin/roots.ts'
import { headKey, recordKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { lose, spoil } from '../support/test-store.ts'
import { createRepositories } from '../support/owner.ts'
import { steady, Terminal } from './terminal.ts'

const [DAMAGED, SOUND, STAGED] = ['example.org/damaged', 'example.org/sound', 'example.org/the-staged-root']
/** One bit of this name changes, and it becomes invalid. */
const [NAMED, MISNAMED] = ['example.org/c+', 'example.org/c*']
const WHY = `the record "head ${DAMAGED}" is damaged`
const WHY_MISNAMED = `the record "staged-root ${MISNAMED}" is damaged`
const WHY_STAGED = `the record "staged-root ${STAGED}" is damaged`

describe('where something is damaged, waiting roots', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await writeFile(terminal.path('pass'), 'correct horse battery', { mode: 0o600 })
    await (await terminal.host()).end()
    const guns = [DAMAGED, SOUND, STAGED, NAMED]
    await createRepositories(terminal, 'pass', ...guns)
    for (const gun of guns) await terminal.ask(stageNextRoot, { gun, change: { what: 'keys', roles: ['timestamp'] } })
    const store = { directory: terminal.path('data') }
    await spoil(store, headKey(parseGun(DAMAGED)))
    await spoil(store, recordKey('staged-root', STAGED))
    await lose(store, headKey(parseGun(NAMED)))
    await lose(store, recordKey('staged-root', NAMED))
  })
  after(() => terminal.close())

  async function prints(command: string, code: number, expected: string | RegExp): Promise<void> {
    const printed = await terminal.run(command.split(' '))
    const text = steady(printed.stdout + printed.stderr)
    assert.equal(printed.code, code, `${command}: ${text}`)
    if (typeof expected === 'string') assert.equal(text, expected, command)
    else assert.match(text, expected, command)
  }

  test('are listed, with the damage named', async () => {
    await prints(
      'root waiting',
      1,
      `REPOSITORY                   ROOT  SINCE                       BY     STILL TO SIGN  FOR
example.org/c*               -     damaged: countersign check
example.org/damaged          -     damaged: countersign check
example.org/sound            2     YYYY-MM-DD                  local  root           a new timestamp key
example.org/the-staged-root  -     damaged: countersign check
`,
    )
    const { stdout, code } = await terminal.run(['root', 'waiting', '--json'])
    assert.equal(code, 1)
    const rows = JSON.parse(stdout) as { gun: string; damaged?: string }[]
    assert.deepEqual(
      rows.map(({ gun, damaged }) => [gun, damaged]),
      [
        [MISNAMED, WHY_MISNAMED],
        [DAMAGED, WHY],
        [SOUND, undefined],
        [STAGED, WHY_STAGED],
      ],
    )
  })

  test('are signed by one command, except the damaged', async () => {
    for (const [more, state] of [
      [' --dry-run', 'would be published'],
      ['', 'published'],
    ] as const) {
      const { code, stdout } = await terminal.run(`root sign * --all --passphrase-file pass --json${more}`.split(' '))
      assert.equal(code, 1, stdout)
      assert.partialDeepStrictEqual(JSON.parse(stdout), [
        { gun: MISNAMED, state: 'failed' },
        { gun: DAMAGED, state: 'failed', error: WHY },
        { gun: SOUND, state, version: 2 },
        { gun: STAGED, state: 'failed', error: WHY_STAGED },
      ])
    }
  })

  test('with a damaged name do not stop a rotation of all repositories', async () => {
    const { code, stdout } = await terminal.run('key rotate * snapshot --all --plan --json'.split(' '))
    assert.equal(code, 1, stdout)
    const plans = JSON.parse(stdout) as { gun: string; version?: number }[]
    assert.deepEqual(
      plans.map(({ gun, version }) => [gun, version]),
      [
        [MISNAMED, undefined],
        [DAMAGED, undefined],
        [SOUND, 3],
        [STAGED, undefined],
      ],
    )
  })

  test('can be discarded if damaged, and stop neither others nor a deletion', async () => {
    await prints(
      `key rotate ${STAGED} snapshot --stage`,
      2,
      `error: ${WHY_STAGED}
hint: stop the server and try "countersign repair DIRECTORY"; or "countersign root discard ${STAGED}"
`,
    )
    await prints(`repo delete ${STAGED} --yes --dry-run`, 0, /would/)
    await prints(`root discard ${STAGED}`, 0, `no root of ${STAGED} waits any more\n`)
    await prints(`root discard ${STAGED}`, 1, /no root of/)
    await prints(`key rotate ${STAGED} timestamp --passphrase-file pass`, 0, /root version 2/)
    assert.doesNotMatch(await terminal.checked(), /the-staged-root/)
  })
})
