import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { request as ask, type IncomingMessage } from 'node:http'
import { resolve } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { makeBackup } from '../../src/admin/backup.ts'
import { backupsOf } from '../../src/backup.ts'
import { Database } from '../../src/store/database/database.ts'
import { headKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { heldAfter } from '../support/held-call.ts'
import { fetchFrom, ReferenceClient } from '../support/reference-client.ts'
import { COMMAND } from '../support/server-process.ts'
import { spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'
import { Terminal } from './terminal.ts'

const GUN = 'example.org/app'

/** Arguments of `unshare` for one command with an empty read-only file system mounted on a directory. */
const READ_ONLY = [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o ro none "$1" && shift && exec "$@"',
  'sh',
]
const skipReadOnly =
  spawnSync('unshare', [...READ_ONLY, import.meta.dirname, 'true']).status === 0 ? false : 'nothing can be mounted here'

describe('countersign backup', () => {
  /** Files of a stopped server, and its publisher. */
  let published: Terminal
  let publisher: TrustWorld
  let terminal: Terminal
  let world: TrustWorld

  before(async () => {
    published = await Terminal.open()
    const server = await published.host()
    publisher = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
    await publisher.publishFirst(server)
    await server.end()
  })
  after(() => published.close())

  beforeEach(async () => {
    terminal = await Terminal.open(published)
    world = publisher.fork()
  })
  afterEach(() => terminal.close())

  const placeOf = (name: string): Record<string, string> => ({
    COUNTERSIGN_DATA_DIRECTORY: terminal.path(name, 'data'),
    COUNTERSIGN_KEYS_DIRECTORY: terminal.path(name, 'keys'),
  })

  test('of a running server is complete and of one moment, and a server starts from it', async () => {
    const server = await terminal.host()
    const lastBackup = async (): Promise<number> =>
      Number(
        /^countersign_last_backup_timestamp_seconds (.*)$/m.exec(
          (await exchange(server, { path: '/metrics' })).body.toString(),
        )?.[1],
      )
    const [started, begun] = [await lastBackup(), Date.now() / 1000]
    assert.ok(started < begun)
    let made = false
    const backup = terminal.run(['backup', 'copy']).finally(() => (made = true))
    while (!made) {
      world.addTarget(`v${world.targets.version}`)
      await world.publish(server, 'targets')
    }
    const { code, stdout, stderr } = await backup
    assert.deepEqual([code, stderr], [0, ''])
    const [, commits = '', records = ''] = /^backup in \S+\/copy: (\d+) commits, (\d+) records\n$/.exec(stdout) ?? []
    assert.ok((await lastBackup()) > begun)
    world.addTarget('later')
    await world.publish(server, 'targets')

    const copy = await terminal.host(placeOf('copy'))
    const checked = await terminal.run(['check'], placeOf('copy'))
    assert.equal(checked.stdout, `1 repository, ${commits} commits, ${records} records: sound\n`)
    const { body } = await exchange(copy, { path: tufPath(GUN, 'targets.json') })
    const { signed } = JSON.parse(body.toString()) as { signed: { version: number } }
    assert.ok(signed.version >= 1 && signed.version < world.targets.version)
    const same = await exchange(server, { path: tufPath(GUN, `${signed.version}.targets.json`) })
    assert.deepEqual(body, same.body)
    const view = await new ReferenceClient(GUN, fetchFrom(copy, GUN), Date.now).update()
    assert.ok(view.targets.length > 0)
    await copy.end()

    for (const name of ['copy', 'copy/keys', 'copy/data', 'copy/keys/tls']) {
      assert.equal((await stat(terminal.path(name))).mode & 0o777, 0o700, name)
    }
    for (const name of ['key-encryption-key', 'keyring.json', 'anchor-key', 'anchor', 'tls/server.key']) {
      assert.equal((await stat(terminal.path('copy', 'keys', name))).mode & 0o777, 0o600, name)
    }
    await server.end()
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('of a stopped server includes an anchor kept elsewhere', async () => {
    await mkdir(terminal.path('elsewhere'))
    await writeFile(terminal.path('elsewhere', 'anchor'), await readFile(terminal.path('keys', 'anchor')))
    const elsewhere = { COUNTERSIGN_ANCHOR_FILE: terminal.path('elsewhere', 'anchor') }
    const { code, stdout } = await terminal.run(['backup', 'copy', '--json'], elsewhere)
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(stdout), { directory: terminal.path('copy'), commits: 2, records: 17 })
    assert.equal(await terminal.checked(placeOf('copy')), '1 repository, 2 commits, 17 records: sound\n')
  })

  test('of a server whose anchor was removed has a new one, with which it starts again', async () => {
    const server = await terminal.host()
    await rm(terminal.path('keys', 'anchor'))
    const { code, stdout } = await terminal.run(['check'])
    assert.equal(code, 1)
    const why = /^error: cannot open the anchor file .*; put the anchor of a new backup there, and restart the server$/m
    assert.match(stdout, why)
    await terminal.ask(makeBackup, { directory: terminal.path('copy') })
    await world.publish(server, 'targets')
    await copyFile(terminal.path('copy', 'keys', 'anchor'), terminal.path('keys', 'anchor'))
    await server.end()
    assert.match(await terminal.checked(), /^1 repository, 3 commits, \d+ records: sound\n$/)
  })

  test('needs an empty directory of its own', async () => {
    await terminal.host()
    const fails = async (where: string, message: RegExp): Promise<void> => {
      const { code, stdout, stderr } = await terminal.run(['backup', where])
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, message)
    }
    const refused = async (where: string, message: RegExp): Promise<void> => {
      const directory = resolve(terminal.directory, where)
      assert.match(await terminal.refused(terminal.ask(makeBackup, { directory })), message)
    }
    await mkdir(terminal.path('full'))
    await writeFile(terminal.path('full', 'mine'), 'kept')
    await fails('full', /^error: the directory \S+\/full is not empty\nhint: name a new one each time\n$/)
    await refused('data', /^error: the directory data lies in \S+\n/)
    await refused('full/mine', /^error: cannot create the directory full\/mine: EEXIST: file already exists\n/)
    await refused('/proc/none/copy', /^error: cannot create the directory \/proc\/none\/copy: ENOENT: no such file or/)
    assert.deepEqual(await readdir(terminal.path('full')), ['mine'])
    await mkdir(terminal.path('keys', 'mine'))
    for (const where of ['keys/mine', 'keys/tls/deep/copy']) {
      await refused(where, /^error: the directory keys\/\S+ lies in keys\nhint: choose another directory\n$/)
    }
    assert.ok((await readdir(terminal.path('keys'))).includes('mine'))
    assert.ok(!(await readdir(terminal.path('keys', 'tls'))).includes('deep'))
  })

  test('to a read-only file system fails with that reason', { skip: skipReadOnly }, async () => {
    await mkdir(terminal.path('disk'))
    const options = { cwd: terminal.directory, env: terminal.environment, encoding: 'utf8' } as const
    const typed = [COMMAND, 'backup', 'disk/new/copy']
    const { status, stderr } = spawnSync('unshare', [...READ_ONLY, 'disk', ...typed], options)
    assert.equal(status, 2)
    assert.match(
      stderr,
      /^error: cannot create the directory \S+\/copy: EROFS: read-only file system\nhint: choose another directory/,
    )
  })

  /** Makes so many files that a backup of them takes a while. */
  async function manyKeys(): Promise<void> {
    for (let number = 0; number < 500; number += 1) await writeFile(terminal.path('keys', 'tls', `${number}`), '')
  }

  /** Asks the server for a backup, as the command does. */
  async function asked(directory: string): Promise<object> {
    const socketPath = terminal.path('data', 'control.sock')
    const headers = { 'Content-Type': 'application/json' }
    const request = ask({ socketPath, method: 'POST', path: '/api/v1/backup', headers })
    request.end(JSON.stringify({ directory }))
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return (await json(response)) as object
  }

  test('is refused while another is being made', async () => {
    await terminal.host()
    await manyKeys()
    const answers = await Promise.all(['one', 'two'].map((name) => asked(terminal.path(name))))
    const [made, other] = 'directory' in answers[0]! ? ['one', 'two'] : ['two', 'one']
    const directory = terminal.path(made)
    const message = `a backup is already being made, in ${directory}`
    const refused = { error: { code: 'BUSY', message, hint: 'wait until it is done' } }
    assert.deepEqual(new Set(answers), new Set([{ directory, commits: 2, records: 17 }, refused]))
    assert.match(await terminal.checked(placeOf(made)), /: sound\n$/)
    const { code, stderr } = await terminal.run(['backup', other])
    assert.deepEqual([code, stderr], [0, ''])
  })

  /** Runs the command and presses Ctrl-C while the first keys are copied. @returns standard error */
  async function interrupted(held: Record<string, string>): Promise<string> {
    const env = { ...terminal.environment, ...held }
    const command = spawn(COMMAND, ['backup', 'copy'], { cwd: terminal.directory, env })
    const [ended, printed] = [once(command, 'close'), text(command.stderr)]
    const copied = terminal.path('copy', 'keys.unfinished')
    await until('the first keys', async () => (await readdir(copied).catch(() => [])).length > 0)
    command.kill('SIGINT')
    // It waits for a server, which is held as well.
    if (held['NODE_OPTIONS'] === undefined) await ended
    await writeFile(terminal.path('go'), '')
    await ended
    return printed
  }

  test('leaves nothing behind when interrupted, and can be made again', async () => {
    const held = await heldAfter(terminal, 'rename', /copy\/keys.unfinished/)
    const server = await terminal.serve(['--quiet'], held)
    await interrupted({})
    await until('all of it to be removed', async () => (await readdir(terminal.path('copy'))).length === 0)
    await server.end()
    assert.ok(server.log.some(({ refused }) => refused === 'the client has gone away'))
    await rm(terminal.path('go'))
    assert.equal(await interrupted(held), 'error: interrupted: nothing was left behind\n')
    assert.deepEqual(await readdir(terminal.path('copy')), [])
    assert.equal((await terminal.run(['backup', 'copy'])).code, 0)
    assert.match(await terminal.checked(placeOf('copy')), /: sound\n$/)
  })

  test('of two servers into one directory succeeds for one of them', async () => {
    await terminal.host()
    const other = await Terminal.open(published)
    try {
      await other.host()
      for (const name of ['one', 'two', 'three']) {
        const both = await Promise.all([terminal, other].map((each) => each.run(['backup', terminal.path(name)])))
        assert.deepEqual(new Set(both.map(({ code }) => code)), new Set([0, 2]))
        assert.match(both.map(({ stderr }) => stderr).join(''), /^error: the directory \S+ is not empty\n/)
        assert.match(await terminal.checked(placeOf(name)), /: sound\n$/)
      }
    } finally {
      await other.close()
    }
  })

  test('that was cut off by the death of the server cannot be started from', async () => {
    const [dataDirectory, keysDirectory] = [terminal.path('data'), terminal.path('keys')]
    const copyTo = async ({ directory }: { directory: string }): Promise<never> => {
      await (await Database.open(directory, true)).close()
      assert.equal((await terminal.run(['check'], placeOf('copy'))).code, 2)
      await assert.rejects(terminal.serve([], placeOf('copy')), {
        message: /^it ended: error: there is a store in \S+, but no keyring in /,
      })
      throw new Error('enough')
    }
    const anchorFile = terminal.path('keys', 'anchor')
    const backup = backupsOf({ dataDirectory, keysDirectory, anchorFile }, { copyTo })(terminal.path('copy'))
    await assert.rejects(backup, { message: 'enough' })
    assert.deepEqual(await readdir(terminal.path('copy')), [])
  })

  test('fails if no server could start with the keys', async () => {
    await terminal.host()
    for (const name of ['keyring.json', 'anchor-key', 'key-encryption-key']) {
      await rename(terminal.path('keys', name), terminal.path(name))
      assert.match(
        await terminal.refused(terminal.ask(makeBackup, { directory: terminal.path('copy') })),
        /^error: cannot read /,
      )
      assert.deepEqual(await readdir(terminal.path('copy')), [])
      await rename(terminal.path(name), terminal.path('keys', name))
    }
    await rename(terminal.path('keys'), terminal.path('moved'))
    const { code, stderr } = await terminal.run(['backup', 'copy'])
    assert.equal(code, 2)
    assert.match(stderr, /^error: cannot read \S+\/keys: ENOENT: .*\nhint: check the setting keysDirectory\n$/)
    assert.deepEqual(await readdir(terminal.path('copy')), [])
    await rename(terminal.path('moved'), terminal.path('keys'))
  })

  test('is readable by its owner only, even where a group may read the keys', async () => {
    await terminal.serve(['--quiet'])
    await chmod(terminal.path('keys', 'key-encryption-key'), 0o440)
    assert.equal((await terminal.run(['backup', 'copy'])).code, 0)
    assert.equal((await stat(terminal.path('copy', 'keys', 'key-encryption-key'))).mode & 0o777, 0o400)
    assert.match(await terminal.checked(placeOf('copy')), /: sound\n$/)
  })

  test('of a keyring under a passphrase works before the server has the new setting', async () => {
    await terminal.host()
    await writeFile(terminal.path('passphrase'), 'correct horse', { mode: 0o600 })
    const rekeyed = await terminal.run(['key', 'rekey', '--new-passphrase-file', 'passphrase'])
    assert.equal(rekeyed.code, 0)
    await rm(terminal.path('keys', 'key-encryption-key'))
    assert.equal((await terminal.run(['backup', 'copy'])).code, 0)
    const told = { ...placeOf('copy'), COUNTERSIGN_PASSPHRASE_FILE: terminal.path('passphrase') }
    assert.match(await terminal.checked(told), /: sound\n$/)
  })

  test('of a damaged store fails and leaves nothing', async () => {
    await spoil({ directory: terminal.path('data') }, headKey(parseGun(GUN)))
    const { code, stderr } = await terminal.run(['backup', 'copy'])
    assert.equal(code, 2)
    assert.match(stderr, /^error: the record "head example\.org\/app" is damaged\nhint: /)
    assert.deepEqual(await readdir(terminal.path('copy')), [])
  })
})
