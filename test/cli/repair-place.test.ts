import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { addUser } from '../../src/admin/users.ts'
import type { Repair } from '../../src/repair.ts'
import { heldAfter } from '../support/held-call.ts'
import { livedIn, type LivedIn } from '../support/lived-in.ts'
import { READ_ONLY, skipReadOnly } from '../support/read-only.ts'
import { COMMAND } from '../support/server-process.ts'
import { until } from '../support/until.ts'

describe('countersign repair and its surroundings', () => {
  let lived: LivedIn

  before(async () => {
    lived = await livedIn()
  })
  after(() => lived.terminal.close())

  test('an interrupted repair leaves nothing behind, even in the temporary directory', async () => {
    const { terminal } = lived
    const { environment } = await lived.copy('interrupted')
    const temporary = terminal.path('temporary')
    await mkdir(temporary)
    const held = await heldAfter(terminal, 'mkdtemp', /temporary/)
    for (const options of [[], ['--dry-run']]) {
      const command = spawn(COMMAND, ['repair', 'made', ...options], {
        cwd: terminal.directory,
        env: { ...terminal.environment, ...environment, ...held, TMPDIR: temporary },
      })
      const [closed, said] = [once(command, 'close'), text(command.stderr)]
      await until('something to be there', async () => (await readdir(temporary)).length > 0)
      command.kill('SIGINT')
      await writeFile(terminal.path('go'), '')
      assert.deepEqual([await closed, await said], [[2, null], 'error: interrupted: nothing was left behind\n'])
      for (const name of ['held', 'go']) await rm(terminal.path(name), { force: true })
      assert.deepEqual([await readdir(temporary), await readdir(terminal.path('made')).catch(() => [])], [[], []])
    }
  })

  for (const [which, at] of [
    ['first', 0],
    ['last', -1],
  ] as const) {
    test(`a command that changes the database after its ${which} file was read is named, not damage`, async () => {
      const { terminal } = lived
      const { directory, environment } = await lived.copy(`changed-${which}`)
      const files = (await readdir(directory)).filter((name) =>
        /^(?:CURRENT|MANIFEST-\d+|\d+\.(?:ldb|log))$/.test(name),
      )
      const held = await heldAfter(terminal, 'readFile', new RegExp(`changed-${which}/.*${files.at(at)}$`))
      const command = spawn(COMMAND, ['repair', `of-${which}`], {
        cwd: terminal.directory,
        env: { ...terminal.environment, ...environment, ...held },
      })
      const [closed, said] = [once(command, 'close'), text(command.stderr)]
      await until('a file to be read', () => existsSync(terminal.path('held')))
      await terminal.ask(addUser, { name: 'late', grants: [] }, environment)
      await writeFile(terminal.path('go'), '')
      assert.match(await said, /^error: a server, or another command, uses the database in \S+\nhint: stop it first: /)
      assert.deepEqual(await closed, [2, null])
      for (const name of ['held', 'go']) await rm(terminal.path(name))
    })
  }

  test('an unusable temporary directory is named', async () => {
    const { environment } = await lived.copy('without')
    const nowhere = lived.terminal.path('nowhere')
    const { code, stdout, stderr } = await lived.terminal.run(['repair', 'no'], { ...environment, TMPDIR: nowhere })
    assert.deepEqual([code, stdout], [2, ''])
    assert.equal(
      stderr,
      `error: cannot create a directory in ${nowhere}: ENOENT: no such file or directory\nhint: check the temporary directory and its free space, or set TMPDIR to another one\n`,
    )
  })

  test('a store on a disk mounted read-only is repaired', { skip: skipReadOnly }, async () => {
    const { terminal } = lived
    const { environment } = await lived.copy('disk')
    const typed = [...READ_ONLY, terminal.path('disk'), COMMAND, 'repair', 'from-disk', '--json']
    const env = { ...terminal.environment, ...environment }
    const { status, stdout, stderr } = spawnSync('unshare', typed, { cwd: terminal.directory, env, encoding: 'utf8' })
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual((JSON.parse(stdout) as Repair).check?.findings, [])
  })
})
