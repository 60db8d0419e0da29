import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Database } from '../../src/store/database/database.ts'
import { COMMAND } from '../support/server-process.ts'
import { until } from '../support/until.ts'
import { Terminal, type Printed } from './terminal.ts'

/** Delays listening on a unix socket until told to go on: between opening the database and the control socket. */
const SLOW_SOCKET = `import { existsSync, writeFileSync } from 'node:fs'
import { Server } from 'node:net'
const { listen } = Server.prototype
Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'string' && !existsSync('go')) {
    writeFileSync('opened', '')
    setTimeout(() => this.listen(...args), 20)
    return this
  }
  return listen.apply(this, args)
}
`

/** Delays the first start's keyring, the last of its keys, until told to go on, with the database open. */
const SLOW_KEYS = `import { existsSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
const { rename } = promises
promises.rename = async (from, to) => {
  while (String(to).endsWith('keyring.json') && !existsSync('go')) await pause(20)
  return rename(from, to)
}
syncBuiltinESMExports()
`

const WAITING = 'waiting for another process to let go of the database in data\n'

/** Runs a command, and calls `then` when it says that it waits. */
async function type(terminal: Terminal, args: readonly string[], then: () => Promise<unknown>): Promise<Printed> {
  const command = spawn(COMMAND, args, { cwd: terminal.directory, env: terminal.environment })
  const [closed, stdout] = [once(command, 'close'), text(command.stdout)]
  let stderr = ''
  for await (const chunk of command.stderr) {
    const waited = stderr.includes(WAITING)
    stderr += String(chunk)
    if (!waited && stderr.includes(WAITING)) await then()
  }
  await closed
  return { code: command.exitCode, stdout: await stdout, stderr }
}

const ADD = ['user', 'add', 'alice', '--no-password']
/** The outcome after a wait. */
const ADDED = { code: 0, stdout: 'added user alice, who may: nothing\n', stderr: WAITING }

describe('a server and commands that start together', () => {
  let made: Terminal
  let terminal: Terminal

  before(async () => {
    made = await Terminal.open()
    await (await made.host()).end()
  })
  after(() => made.close())

  beforeEach(async () => {
    terminal = await Terminal.open(made)
  })
  afterEach(() => terminal.close())

  test('a server waits for a command that has the database open, and says so once', async () => {
    // Stands in for a command; in this process the test decides when it ends.
    const database = await Database.open(terminal.path('data'), false)
    const server = terminal.start(['--quiet'])
    await server.says('waiting for another process')
    // It keeps trying, and prints no more.
    await pause(500)
    await database.close()
    await server.ready()
    assert.equal(await server.end(), 0)
    assert.deepEqual(
      server.log.map(({ level, msg }) => [level, msg]),
      [
        ['warn', 'waiting for another process to let go of the database'],
        ['info', 'ready'],
        ['info', 'stopped'],
      ],
    )
    assert.equal(server.stderr, '')
  })

  test('a command waits for a server that does not listen yet, and is answered by it', async () => {
    await writeFile(terminal.path('slow.mjs'), SLOW_SOCKET)
    const server = terminal.start(['--quiet'], { NODE_OPTIONS: '--import ./slow.mjs' })
    await until('the database to be open', () => existsSync(terminal.path('opened')))
    assert.deepEqual(await type(terminal, ADD, () => writeFile(terminal.path('go'), '')), ADDED)
    await server.ready()
    await server.end()
    const { log } = server
    assert.ok(log.some(({ msg, operation }) => msg === 'admin request' && operation === 'user.add'))
  })

  test('a command waits for another command', async () => {
    const database = await Database.open(terminal.path('data'), false)
    assert.deepEqual(await type(terminal, ADD, () => database.close()), ADDED)
  })

  test('a server that starts among commands lets all of them succeed', async () => {
    const commands = Array.from({ length: 6 }, async (_, number) => {
      await pause(number * 100)
      return terminal.runApart(['user', 'add', `user-${number}`, '--no-password'])
    })
    await pause(250)
    const server = await terminal.serve(['--quiet'])
    for (const { code, stderr } of await Promise.all(commands)) assert.equal(code, 0, stderr)
    assert.equal(await server.end(), 0)
    assert.match((await terminal.run(['check'])).stdout, /^0 repositories, 6 commits, .* sound\n$/)
  })

  test('a second server is refused at once', async () => {
    const server = await terminal.serve(['--quiet'])
    const { code, stdout, stderr } = await terminal.run(['serve'])
    // It does not say that it waits.
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^error: another process uses the database in data\n/)
    await server.end()
  })
})

describe('a first start and commands', () => {
  let terminal: Terminal

  beforeEach(async () => {
    terminal = await Terminal.open()
  })
  afterEach(() => terminal.close())

  test('a command waits for the keys that are being made', async () => {
    await writeFile(terminal.path('slow.mjs'), SLOW_KEYS)
    const server = terminal.start(['--quiet'], { NODE_OPTIONS: '--import ./slow.mjs' })
    await until('the keyring', () => existsSync(terminal.path('keys', '.keyring.json.new')))
    assert.deepEqual(await type(terminal, ADD, () => writeFile(terminal.path('go'), '')), ADDED)
    await server.ready()
    assert.equal(await server.end(), 0)
    assert.match((await terminal.run(['user', 'list'])).stdout, /^alice /m)
  })

  test('a command reports that there is no server if the first start ends without keys', async () => {
    await mkdir(terminal.path('data'))
    const database = await Database.open(terminal.path('data'), true)
    const { code, stderr } = await type(terminal, ['user', 'list'], () => database.close())
    assert.equal(code, 2)
    assert.match(stderr, /^error: no server was ever started with the keys directory .*\nhint: .* first start/m)
  })
})
