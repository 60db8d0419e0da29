import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, constants, open, readdir, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { heldAfter } from '../support/held-call.ts'
import { COMMAND } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { Terminal } from './terminal.ts'

const GUN = 'example.org/app'
const SOUND = '1 repository, 2 commits, 17 records: sound\n'

describe('countersign key rekey', () => {
  let published: Terminal
  let terminal: Terminal

  before(async () => {
    published = await Terminal.open()
    const server = await published.host()
    const world = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
    await world.publishFirst(server)
    await server.end()
    await writeFile(published.path('first'), 'correct horse battery staple\n', { mode: 0o600 })
    await writeFile(published.path('second'), 'another passphrase\n', { mode: 0o600 })
  })
  after(() => published.close())

  beforeEach(async () => {
    terminal = await Terminal.open(published)
  })
  afterEach(() => terminal.close())

  const under = (passphraseFile?: string): Record<string, string> =>
    passphraseFile === undefined ? {} : { COUNTERSIGN_PASSPHRASE_FILE: terminal.path(passphraseFile) }

  /** Asserts that all keys open with this secret. @param passphraseFile omitted: the key file */
  async function opensWith(passphraseFile?: string): Promise<void> {
    assert.equal(await terminal.checked(under(passphraseFile)), SOUND)
  }

  async function opensNotWith(passphraseFile?: string): Promise<void> {
    const message =
      /passphrase or key file does not open|keyring is (?:already )?protected by a key file|is protected by a passphrase/
    await assert.rejects(terminal.checked(under(passphraseFile)), { name: 'TrustError', message })
  }

  test('from the key file to a passphrase, to another one, and back to a key file', async () => {
    await opensWith()
    const rehearsed = await terminal.run(['key', 'rekey', '--new-passphrase-file', 'first', '--dry-run'])
    assert.deepEqual([rehearsed.code, rehearsed.stdout], [0, 'would put the keyring under the new passphrase\n'])
    await opensWith()
    const { code, stdout } = await terminal.run(['key', 'rekey', '--new-passphrase-file', 'first'])
    assert.equal(code, 0)
    assert.equal(
      stdout,
      `the keyring is under the new passphrase; set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to its file
and remove key-encryption-key from the keys directory, if it is there
`,
    )
    await opensNotWith()
    await opensWith('first')
    // The next start, without the new setting, once with the old key file and once after its removal.
    for (const _ of ['there', 'removed']) {
      assert.equal(
        await terminal.refusal(),
        `error: keys/keyring.json is protected by a passphrase
hint: set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to the file that has it
`,
      )
      await rm(terminal.path('keys', 'key-encryption-key'), { force: true })
    }

    const again = await terminal.run([
      'key',
      'rekey',
      '--passphrase-file',
      'first',
      '--new-passphrase-file',
      'second',
      '--json',
    ])
    assert.deepEqual(JSON.parse(again.stdout), { keysDirectory: 'keys', under: 'passphrase' })
    await opensNotWith('first')
    await opensWith('second')

    const back = await terminal.run(['key', 'rekey', '--new-key-file'], { COUNTERSIGN_PASSPHRASE_FILE: 'second' })
    assert.equal(back.stdout, 'the keyring is under a new key file; remove the setting passphraseFile\n')
    await opensWith()
  })

  test('beside a start that has just read the key file makes it ask for the passphrase, not for a backup', async () => {
    const held = await heldAfter(terminal, 'readFile', /key-encryption-key$/)
    const server = spawn(COMMAND, ['serve'], { env: { ...terminal.environment, ...held }, cwd: terminal.directory })
    const [closed, said] = [once(server, 'close'), text(server.stderr)]
    await until('the key file to be read', () => existsSync(terminal.path('held')))
    assert.equal((await terminal.runApart(['key', 'rekey', '--new-passphrase-file', 'first'])).code, 0)
    await writeFile(terminal.path('go'), '')
    assert.match(await said, /^error: keys\/keyring\.json is protected by a passphrase\nhint: set passphraseFile /)
    assert.deepEqual(await closed, [2, null])
  })

  test('on a full disk leaves nothing behind, and the old secret still opens the keys', async () => {
    const files = (): Promise<string[]> => readdir(terminal.path('keys'))
    const before = await files()
    const args = ['--fsize=100', COMMAND, 'key', 'rekey', '--new-passphrase-file', 'first']
    const full = promisify(execFile)('prlimit', args, { env: terminal.environment, cwd: terminal.directory })
    await assert.rejects(full, { code: 2, stderr: /^error: cannot write keys\/keyring\.json: EFBIG/ })
    assert.deepEqual(await files(), before)
    await opensWith()
  })

  test('with a wrong passphrase changes nothing, and keeps the key file in use', async () => {
    const before = await readFile(terminal.path('keys', 'key-encryption-key'), 'utf8')
    await writeFile(terminal.path('long'), `${'as long as the secret of a key file '.repeat(2)}\n`, { mode: 0o600 })
    for (const secret of ['first', 'second', 'long']) {
      const { code, stderr } = await terminal.run(['key', 'rekey', '--passphrase-file', secret, '--new-key-file'])
      assert.equal(code, 2)
      assert.match(stderr, /^error: the keyring is protected by a key file, and this is not one\nhint: /)
    }
    assert.equal(await readFile(terminal.path('keys', 'key-encryption-key'), 'utf8'), before)
    await opensWith()
  })

  test('by two people at once is done one at a time: mixed files would open nothing', async () => {
    assert.equal((await terminal.run(['key', 'rekey', '--new-passphrase-file', 'first'])).code, 0)
    const rekey = ['key', 'rekey', '--passphrase-file', 'first', '--new-key-file']
    // As left by a command under way.
    await writeFile(terminal.path('keys', '.rekey'), '')
    const { code, stdout, stderr } = await terminal.run(rekey)
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(
      stderr,
      /^error: another command is putting the keyring in keys under a new secret\nhint: .* remove keys\/\.rekey/,
    )
    await opensWith('first')
    await rm(terminal.path('keys', '.rekey'))
    const codes = await Promise.all([terminal.runApart(rekey), terminal.runApart(rekey)])
    assert.ok(codes.some((each) => each.code === 0))
    await opensWith()
    assert.ok(!(await readdir(terminal.path('keys'))).includes('.rekey'))
  })

  test('interrupted while it reads a passphrase leaves no lock, and can be repeated', async () => {
    await promisify(execFile)('mkfifo', ['-m', '600', terminal.path('typed')])
    const args = ['key', 'rekey', '--new-passphrase-file', 'typed']
    const rekey = spawn(COMMAND, args, { env: terminal.environment, cwd: terminal.directory, stdio: 'ignore' })
    const ended = once(rekey, 'exit')
    // Opening fails until the command opens it to read.
    const write = (): Promise<FileHandle> => open(terminal.path('typed'), constants.O_WRONLY | constants.O_NONBLOCK)
    let typing: FileHandle | undefined
    await until('it to be read', async () => (typing = await write().catch(() => undefined)) !== undefined)
    rekey.kill('SIGINT')
    assert.deepEqual(await ended, [null, 'SIGINT'])
    await typing?.close()
    assert.equal((await terminal.run(['key', 'rekey', '--new-passphrase-file', 'first'])).code, 0)
    await opensWith('first')
  })

  test('beside a running server does not disturb it, and its next start needs the new secret', async () => {
    const server = await terminal.host()
    assert.equal((await terminal.run(['key', 'rekey', '--new-passphrase-file', 'first'])).code, 0)
    const gun = 'example.org/later'
    await (await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })).publishFirst(server)
    await server.end()
    assert.match(await terminal.refusal(), /^error: keys\/keyring\.json is protected by a passphrase\n/)
    assert.match(await terminal.checked(under('first')), /^2 repositories, .*: sound\n$/)
  })

  test('refuses a passphrase that is too short, readable by others, or missing', async () => {
    await writeFile(terminal.path('short'), 'seven77\n', { mode: 0o600 })
    await writeFile(terminal.path('open'), 'correct horse\n')
    await chmod(terminal.path('open'), 0o644)
    const cases: [string[], RegExp][] = [
      [
        ['--new-passphrase-file', 'short'],
        /^error: the passphrase in short is empty or too short\nhint: use at least 8/,
      ],
      [['--new-passphrase-file', 'open'], /^error: open can be read by others\nhint: chmod 600 open\n/],
      [['--new-passphrase-file', 'nowhere'], /^error: cannot read nowhere: ENOENT.*\nhint: check the path\n/],
      // Containers mount it like this; without its rights, nobody could list it.
      [['--new-passphrase-file', 'keys'], /^error: keys is a directory\nhint: check the path\n/],
      [['--new-key-file'], /^error: the keyring is already protected by a key file\n/],
      [[], /^error: use either --new-passphrase-file or --new-key-file\n/],
      [['--new-key-file', '--new-passphrase-file', 'first'], /^error: use either /],
    ]
    for (const [args, expected] of cases) {
      const { code, stdout, stderr } = await terminal.run(['key', 'rekey', ...args])
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, expected)
    }
    await opensWith()
  })
})
