import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

/** Opens all files that it may but three, and asks; then closes them, and asks again. */
const PROGRAM = `
import { closeSync, openSync } from 'node:fs'
import { mustHaveRoom } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'src', 'store', 'commit', 'room.ts'))}
const ask = () => mustHaveRoom(process.argv[1]).then(() => 'room', ({ code }) => code)
await ask()
const taken = []
try { for (;;) taken.push(openSync('/dev/null')) } catch {}
for (const file of taken.splice(0, 3)) closeSync(file)
const before = await ask()
for (const file of taken) closeSync(file)
console.log(before, await ask())
`

test('mustHaveRoom throws when too few files can be opened to reopen a database', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-room-'))
  t.after(() => rm(directory, { recursive: true }))
  const node = [process.execPath, '--input-type=module', '--eval', PROGRAM, directory]
  const printed = execFileSync('prlimit', ['--nofile=100', ...node], { encoding: 'utf8' })
  assert.equal(printed, 'EMFILE room\n')
  assert.deepEqual(await readdir(directory), [])
})
