import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { livedIn, type LivedIn } from '../support/lived-in.ts'
import { COMMAND } from '../support/server-process.ts'

describe('countersign repair and what is around it', () => {
  let lived: LivedIn

  before(async () => {
    lived = await livedIn()
  })
  after(() => lived.terminal.close())

  test('one that is interrupted leaves nothing behind, neither there nor in the temporary directory', async () => {
    const { terminal } = lived
    const { environment } = await lived.copy('interrupted')
    const temporary = terminal.path('temporary')
    await mkdir(temporary)
    for (const options of [[], ['--dry-run']]) {
      const command = spawn(COMMAND, ['repair', 'made', ...options], {
        cwd: terminal.directory,
        env: { ...terminal.environment, ...environment, TMPDIR: temporary },
      })
      const said = text(command.stderr)
      const watched = watch(temporary)
      await once(watched, 'change')
      watched.close()
      command.kill('SIGINT')
      assert.deepEqual(
        [await once(command, 'close'), await said],
        [[2, null], 'error: interrupted: nothing is left of it\n'],
      )
      assert.deepEqual([await readdir(temporary), await readdir(terminal.path('made')).catch(() => [])], [[], []])
    }
  })
})
