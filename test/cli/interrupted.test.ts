import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { createRepositories } from '../support/owner.ts'
import { COMMAND } from '../support/server-process.ts'
import { Terminal } from './terminal.ts'

const GUNS = ['example.org/one', 'example.org/three', 'example.org/two']

describe('Ctrl-C among many repositories', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await terminal.host()
    await writeFile(terminal.path('pass'), 'correct horse battery', { mode: 0o600 })
    await createRepositories(terminal, 'pass', ...GUNS)
    execFileSync('mkfifo', ['-m', '600', terminal.path('pipe')])
  })
  after(() => terminal.close())

  /** Runs a command, and presses Ctrl-C while it waits for the passphrase. */
  async function interrupted(command: string, presses: number): Promise<{ code: unknown; printed: string[] }> {
    const { directory: cwd, environment: env } = terminal
    const child = spawn(COMMAND, [...command.split(' '), '--passphrase-file', 'pipe'], { cwd, env })
    const stdout = text(child.stdout)
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const ended = once(child, 'close')
    // Opens once the command opens it to read.
    const pipe = await open(terminal.path('pipe'), 'w')
    for (let press = 1; press <= presses; press += 1) {
      child.kill('SIGINT')
      if (press === 1) await Promise.race([once(child.stderr, 'data'), ended])
    }
    if (presses === 1) await pipe.writeFile('correct horse battery')
    else await ended
    await pipe.close()
    const [code, signal] = (await ended) as [number | null, string | null]
    return { code: code ?? signal, printed: [await stdout, stderr] }
  }

  test('a first Ctrl-C finishes the current repository and reports what was done and what not', async () => {
    assert.deepEqual(await interrupted('key rotate * timestamp --all', 1), {
      code: 1,
      printed: [
        `REPOSITORY         STATE    ROOT
example.org/one    rotated  2
example.org/three  failed
example.org/two    failed
3 repositories: 2 failed, 1 rotated
error: not started: interrupted, for these 2:
  example.org/three
  example.org/two
hint: what is done stays done: type it again for the others; "key rotate --all" would do all again, so name them
`,
        'interrupted: stops after example.org/one; interrupt again to stop at once\n',
      ],
    })
  })

  test('a second Ctrl-C stops at once', async () => {
    const { code, printed } = await interrupted('key rotate * timestamp --all', 2)
    assert.deepEqual([code, printed[0]], ['SIGINT', ''])
    await terminal.prints('root waiting', 'no root waits for signatures\n')
  })
})
