import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { heldAfter } from '../support/held-call.ts'
import { COMMAND } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { Terminal } from './terminal.ts'

/** An interrupted first start has made no commit: the next one completes it. Anything else half done is a loss. */
describe('after an interrupted first start', () => {
  let terminal: Terminal

  beforeEach(async () => {
    terminal = await Terminal.open()
  })

  afterEach(() => terminal.close())

  test('a database without commits and without an anchor is completed', async () => {
    await (await terminal.host()).end()
    await truncate(terminal.path('keys', 'anchor'))
    const server = await terminal.serve()
    assert.equal(await server.end(), 0)
    assert.match(server.stderr, /^made an empty store in data$/m)
  })

  test('a command says that the next start completes it, however far it came', async () => {
    const held = await heldAfter(terminal, 'rename', /keyring\.json$/)
    const server = spawn(COMMAND, ['serve'], {
      env: { ...terminal.environment, ...held },
      cwd: terminal.directory,
      stdio: 'ignore',
    })
    const ended = once(server, 'exit')
    await until('the keys to be made', () => existsSync(terminal.path('held')))
    server.kill('SIGKILL')
    await ended
    const said =
      /^error: the first start with the database in data was interrupted: .*\nhint: start the server, which completes it: /
    for (const command of ['check', 'user list']) await terminal.prints(command, said, 2)
    await (await terminal.host()).end()
    await truncate(terminal.path('keys', 'anchor'))
    await terminal.prints('check', said, 2)
    await (await terminal.host()).end()
    await terminal.prints('check', /sound\n$/)
  })

  test('keys without an anchor or a database are completed', async () => {
    await (await terminal.host()).end()
    await truncate(terminal.path('keys', 'anchor'))
    await rm(terminal.path('data'), { recursive: true })
    assert.equal(await (await terminal.serve()).end(), 0)
  })

  test('a database that a power cut left without its list of tables is refused with what to do', async () => {
    // LevelDB does not sync its first list, and the log is still empty.
    await mkdir(terminal.path('data'))
    await writeFile(terminal.path('data', 'CURRENT'), 'MANIFEST-000001\n')
    for (const name of ['MANIFEST-000001', '000003.log']) await writeFile(terminal.path('data', name), '')
    const { code, stderr } = await terminal.run(['serve'])
    assert.equal(code, 2)
    assert.match(
      stderr,
      /^error: the database in data cannot be opened: .*\nhint: it holds nothing yet, .*: remove the files in data, and start again\n$/,
    )
    await rm(terminal.path('data'), { recursive: true })
    assert.equal(await (await terminal.serve()).end(), 0)
  })

  test('a full disk is reported, and with room the next start completes it', async () => {
    await (await terminal.host()).end()
    await rm(terminal.path('keys', 'anchor'))
    await rm(terminal.path('data'), { recursive: true })
    const full = promisify(execFile)('prlimit', ['--fsize=100', COMMAND, 'serve'], {
      env: terminal.environment,
      cwd: terminal.directory,
    })
    await assert.rejects(full, {
      code: 2,
      stderr: /^error: cannot write (?:to data|the anchor file keys\/anchor): .*too large\nhint: check the/,
    })
    assert.equal(await (await terminal.serve()).end(), 0)
  })

  test('a database with commits and no anchor is refused', async () => {
    const first = await terminal.host()
    const gun = 'example.org/app'
    await (await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(first, gun) })).publishFirst(first)
    await first.end()
    await rm(terminal.path('keys', 'anchor'))
    const { code, stderr } = await terminal.run(['serve'])
    assert.equal(code, 2)
    assert.match(
      stderr,
      /^error: there is a database in data, but no anchor in keys\/anchor\nhint: restore the anchor from a backup/,
    )
    // A second time: the refusal left nothing that would count as a fresh start.
    assert.equal((await terminal.run(['serve'])).code, 2)
  })
})

test('a first start reads a passphrase from a pipe, which gives it once', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const typed = `COUNTERSIGN_PASSPHRASE_FILE=/dev/fd/3 exec "$0" serve 3< <(echo 'a passphrase from elsewhere')`
  const server = spawn('bash', ['-c', typed, COMMAND], { env: terminal.environment, cwd: terminal.directory })
  t.after(() => server.kill('SIGKILL'))
  let printed = ''
  for await (const chunk of server.stderr) {
    printed += String(chunk)
    if (printed.includes('serves trust data')) break
  }
  assert.match(printed, /^made keys in keys\nmade an empty store in data\n/)
  server.kill('SIGTERM')
  assert.deepEqual(await once(server, 'exit'), [0, null])
})
