import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { deleteRepository } from '../../src/admin/repositories.ts'
import { listRootKeys } from '../../src/admin/root-keys.ts'
import { COMMAND } from '../support/server-process.ts'
import { createRepositories } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

const ROTATE = ['key', 'rotate', 'docker.io/acme/*', 'timestamp', '--all']
const CTRL_C = '\u0003'
const CTRL_Z = '\u001A'
const skip = spawnSync('script', ['--version']).status === 0 ? false : 'script is not installed'

/** Many repositories need one passphrase. Without it all fail for the same reason, and the hint is printed once. */
describe('a passphrase for many repositories', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
    await writeFile(terminal.path('pass'), 'the passphrase of root\n', { mode: 0o600 })
    await createRepositories(terminal, 'pass', ...['one', 'two', 'three'].map((name) => `docker.io/acme/${name}`))
  })
  after(() => terminal.close())

  /** Runs a command in a pseudoterminal, with these answers in order. */
  async function answering(
    args: readonly string[],
    answers: readonly string[],
    question = /passphrase of the root key root: /g,
  ): Promise<string> {
    const command = [COMMAND, ...args].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      cwd: terminal.directory,
      env: terminal.environment,
    })
    let shown = ''
    let answered = 0
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString()
      const asked = shown.match(question)?.length ?? 0
      for (; answered < asked; answered += 1) void type(answers[answered] ?? CTRL_C)
    })
    async function type(answer: string): Promise<void> {
      for (const [index, piece] of answer.split(CTRL_Z).entries()) {
        if (index > 0) {
          child.stdin.write(CTRL_Z)
          await setTimeout(200)
        }
        child.stdin.write(piece)
      }
    }
    await once(child, 'close')
    return shown.replaceAll('\r\n', '\n')
  }

  test('gives one hint if there is no terminal to ask', async () => {
    const { stdout, code } = await terminal.run(ROTATE)
    const reason = 'there is no terminal to ask for the passphrase of the root key root'
    assert.equal(stdout.split(`\nerror: ${reason}, for these 3:\n  docker.io/`).length, 2)
    assert.match(stdout, /\n {2}\S+two\nhint: use --passphrase-file FILE\n$/)
    assert.equal(code, 1)
    const json = await terminal.run([...ROTATE, '--json'])
    const [one] = JSON.parse(json.stdout) as unknown[]
    assert.deepEqual(one, {
      gun: 'docker.io/acme/one',
      state: 'failed',
      error: reason,
      hint: 'use --passphrase-file FILE',
    })
  })

  test('may take longer to check than the server keeps an idle connection', async () => {
    const slow = `import crypto from 'node:crypto'
      import { syncBuiltinESMExports } from 'node:module'
      const { argon2Sync } = crypto
      crypto.argon2Sync = (...args) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)
        return argon2Sync(...args)
      }
      syncBuiltinESMExports()`
    await writeFile(terminal.path('slow.mjs'), slow)
    const server = await terminal.host({ COUNTERSIGN_LIMITS_KEEP_ALIVE_SECONDS: '1' })
    const gun = 'docker.io/acme/slow'
    await createRepositories(terminal, 'pass', gun)
    const rotate = ['key', 'rotate', gun, 'timestamp', '--passphrase-file', 'pass']
    const { code, stdout, stderr } = await terminal.run(rotate, { NODE_OPTIONS: '--import=./slow.mjs' })
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^rotated the timestamp key of /)
    await terminal.ask(deleteRepository, { gun })
    await server.end()
  })

  test('is asked for twice if new', { skip }, async () => {
    const question = /new passphrase of the root key other(?: again)?: /g
    const create = ['root', 'create', 'other']
    const mistyped = await answering(create, ['a passphrase\r', 'a pasphrase\r'], question)
    assert.match(mistyped, /error: the two do not match; nothing was changed\n$/)
    assert.deepEqual(
      (await terminal.ask(listRootKeys, {})).map(({ name }) => name),
      ['root'],
    )
    const made = await answering(create, ['a passphrase\r', 'a passphrase\r'], question)
    assert.match(made, /made the root key other: [0-9a-f]{64}\n$/)
    assert.doesNotMatch(mistyped + made, /a passphrase|a pasphrase/)
  })

  test('is not shown after Ctrl-Z, and the question goes on', { skip }, async () => {
    const question = /new passphrase of the root key stopped(?: again)?: /g
    const answers = [`${CTRL_Z}a passphrase\r`, `a pass${CTRL_Z}phrase\r`]
    const shown = await answering(['root', 'create', 'stopped'], answers, question)
    assert.match(shown, /made the root key stopped: [0-9a-f]{64}\n$/)
    assert.doesNotMatch(shown, /passphrase\n/)
  })

  test('is refused for all of them with one Ctrl-C', { skip }, async () => {
    const shown = await answering(ROTATE, [CTRL_C])
    assert.equal(shown.split('passphrase of the root key root: ').length - 1, 1, shown)
    assert.match(shown, /\nerror: nothing was entered; nothing was changed, for these 3:\n/)
  })
  test('is asked for up to three times in all, not for each repository', { skip }, async () => {
    const wrong = 'the passphrase does not open the root key root'
    const closed = await answering(ROTATE, ['a\r', 'b\r', 'c\r', 'd\r'])
    assert.equal(closed.split('passphrase of the root key root: ').length - 1, 3, closed)
    assert.equal(closed.split(`${wrong}; try again\n`).length - 1, 2, closed)
    assert.match(closed, new RegExp(`\nerror: ${wrong}, for these 3:\n  \\S+one\n  \\S+three\n  \\S+two\n$`))
    const opened = await answering(ROTATE, ['a\r', 'the passphrase of root\r'])
    assert.match(opened, /one +rotated +2\n\S+three +rotated +2\n\S+two +rotated +2\n3 repositories: 3 rotated\n$/)
  })
})
