import type { Command } from 'commander'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { open, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { programFor, withSubcommands } from '../../src/cli/program.ts'
import { describeSettings } from '../../src/settings/load.ts'
import { COMMAND } from '../support/server-process.ts'
import { Terminal } from './terminal.ts'

/** Returns a command's full name, without the program's own. */
function nameOf(command: Command): string {
  const { parent } = command
  return parent?.parent == null ? command.name() : `${nameOf(parent)} ${command.name()}`
}

describe('countersign', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
  })

  after(() => terminal.close())

  test('--help names every command and the exit codes', async () => {
    const { code, stdout } = await terminal.run(['--help'])
    assert.equal(code, 0)
    for (const command of ['serve', 'check', 'repo', 'key', 'config'])
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'))
    assert.match((await terminal.run(['repo', 'list', '--help'])).stdout, /^Global Options:\n[^]* {2}--config <file> /m)
    assert.match(stdout, /^Exit codes: 0 done, 1 the answer is no .*, 2 it failed\.$/m)
  })

  test('output that cannot be written is reported as an error, without a stack trace', async () => {
    await using full = await open('/dev/full', 'w')
    for (const args of [['config'], ['config', '--json']]) {
      const stdio = ['ignore', full.fd, 'pipe'] as const
      const env = terminal.environment
      const { status, stderr } = spawnSync(COMMAND, args, {
        cwd: terminal.directory,
        env,
        stdio: [...stdio],
        encoding: 'utf8',
      })
      assert.equal(
        stderr,
        'error: cannot write to standard output: ENOSPC: no space left on device\n' +
          'hint: free some space there; any change that was requested was still made\n',
      )
      assert.equal(status, 2)
    }
  })

  test('a reader that goes away is no error', async () => {
    const { environment: env, directory: cwd } = terminal
    const child = spawn(COMMAND, ['config'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [printed, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    assert.deepEqual([printed, code], ['', 0])
  })

  test('every command has --json, and every one that changes something has --dry-run', async () => {
    const readsOnly = new Set([
      ...[
        'check',
        'repo list',
        'repo show',
        'repo pin',
        'tag list',
        'signer list',
        'signer show',
        'policy list',
        'policy show',
      ],
      ...['key list', 'root list', 'root waiting', 'root show', 'user list', 'token list'],
      ...['audit', 'find', 'expiry', 'config'],
      // Changes nothing in the server.
      'backup',
    ])
    const commands = withSubcommands(await programFor([])).filter(({ commands: below }) => below.length === 0)
    assert.ok(commands.length > 35)
    for (const command of commands) {
      const name = nameOf(command)
      // This starts a server, so it has no answer to print and no dry run.
      if (name === 'serve') continue
      const options = command.options.map(({ long }) => long)
      assert.ok(options.includes('--json'), `${name} --json`)
      assert.equal(options.includes('--dry-run'), !readsOnly.delete(name), `${name} --dry-run`)
    }
    assert.deepEqual([...readsOnly], [])
  })

  test('no help is wider than a terminal', async () => {
    for (const command of withSubcommands(await programFor([]))) {
      let shown = ''
      command.configureOutput({ writeOut: (text) => (shown += text), getOutHelpWidth: () => 80 }).outputHelp()
      assert.deepEqual(
        shown.split('\n').filter((line) => line.length > 80),
        [],
        nameOf(command),
      )
    }
  })

  test('--version prints the version of the package', async () => {
    assert.match((await terminal.run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
  })

  test('mistyped input exits with 2 in every command', async () => {
    for (const args of [
      ['sevre'],
      ['serve', 'now'],
      ['--bogus'],
      ['check', '--bogus'],
      ['repo', 'list', '--bogus'],
      ['repo', 'show'],
      ['key', 'list'],
    ]) {
      const { code, stdout, stderr } = await terminal.run(args)
      assert.deepEqual([code, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /^error: .*\n(?:\(Did you mean .*\)\n)?hint: add --help for usage\n$/)
    }
    for (const args of [[], ['repo'], ['key']]) {
      const { code, stderr } = await terminal.run(args)
      assert.equal(code, 2)
      assert.match(stderr, /^Usage: countersign /)
    }
  })

  test('where no server was ever started, a command says so and makes nothing', async () => {
    for (const args of [['check'], ['repo', 'list'], ['repo', 'show', 'a/b'], ['key', 'list', 'a/b']]) {
      const { code, stdout, stderr } = await terminal.run(args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /^error: no server was ever started with the keys directory \/.*\/keys\nhint: /)
    }
  })
})

describe('countersign config', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await writeFile(
      terminal.path('settings.json'),
      '{ "listen": { "port": 5555 }, "gunPrefixes": ["docker.io/acme/"] }',
    )
  })

  after(() => terminal.close())

  test('prints every setting with its value, origin and help', async () => {
    const { code, stdout } = await terminal.run(['config', '--config', 'settings.json'], {
      COUNTERSIGN_SHUTDOWN_SECONDS: '5',
    })
    assert.equal(code, 0)
    const lines = stdout.split('\n')
    assert.match(lines[0] ?? '', /^SETTING +VALUE +FROM +WHAT IT IS$/)
    const settings = describeSettings({ environment: {} })
    assert.ok(settings.length > 30)
    for (const { name, help } of settings) {
      assert.notEqual(help, '')
      assert.ok(
        lines.some((line) => line.startsWith(`${name} `) && line.endsWith(help)),
        name,
      )
    }
    assert.match(stdout, /^gunPrefixes +docker\.io\/acme\/ +file /m)
    assert.match(stdout, /^shutdownSeconds +5 +environment /m)
  })

  test('--json has the same content', async () => {
    const { stdout } = await terminal.run(['config', '--json'], { COUNTERSIGN_CONFIG: 'settings.json' })
    const rows = JSON.parse(stdout) as ReturnType<typeof describeSettings>
    const { help, ...port } = rows.find(({ name }) => name === 'listen.port') ?? { help: '' }
    assert.notEqual(help, '')
    assert.deepEqual(port, {
      name: 'listen.port',
      environment: 'COUNTERSIGN_LISTEN_PORT',
      value: 0,
      origin: 'environment',
    })
  })

  test('prints mistakes together with corrections', async () => {
    const { code, stdout, stderr } = await terminal.run(['config'], { COUNTERSIGN_KEY_ALGORITM: 'rsa' })
    assert.equal(code, 2)
    assert.match(stdout, /^SETTING +DEFAULT +WHAT IT IS\n/)
    assert.match(stdout, /^keyAlgorithm +ecdsa +for keys /m)
    assert.match(
      stderr,
      /^error: the settings are not valid:\n {2}COUNTERSIGN_KEY_ALGORITM: .*COUNTERSIGN_KEY_ALGORITHM\n$/,
    )
  })
})
