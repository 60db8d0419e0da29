import assert from 'node:assert/strict'
import { mkdir, readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { countersign } from '../support/server-process.ts'
import { Terminal } from './terminal.ts'

test('an empty file or directory name, as from an unset variable, is refused, and nothing is written', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await terminal.host()
  const here = terminal.path('here')
  await mkdir(here)
  const environment = {
    ...terminal.environment,
    COUNTERSIGN_DATA_DIRECTORY: terminal.path('data'),
    COUNTERSIGN_KEYS_DIRECTORY: terminal.path('keys'),
  }
  const says = async (words: readonly string[], error: string): Promise<void> => {
    const { code, stdout, stderr } = await countersign(words, environment, { cwd: here })
    assert.deepEqual([code, stdout, stderr.split('\n')[0]], [2, '', `error: the name of the ${error} is empty`])
  }
  await says(['backup', ''], 'directory')
  await says(['repair', ''], 'directory')
  await says(['repair', 'made', '--from', ''], 'directory')
  await says(['repo', 'adopt', 'example.org/app', '--from', ''], 'directory')
  await says(['root', 'create', 'alice', '--passphrase-file', ''], 'file')
  await says(['root', 'export', 'alice', ''], 'file')
  await says(['tag', 'sign', 'example.org/app', '--from', ''], 'file')
  assert.deepEqual(await readdir(here), [])
})
