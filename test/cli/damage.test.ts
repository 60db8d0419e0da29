import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { showExpiry } from '../../src/admin/expiry.ts'
import { setPolicy } from '../../src/admin/policies.ts'
import { listRepositories, showRepository } from '../../src/admin/repositories.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { createToken } from '../../src/admin/tokens.ts'
import { addUser } from '../../src/admin/users.ts'
import { documentKey, headKey, journalKey, recordKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { COMMAND } from '../support/server-process.ts'
import { lose, spoil } from '../support/test-store.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'
import { steady, Terminal } from './terminal.ts'

const [DAMAGED, SOUND] = ['example.org/damaged', 'example.org/sound']
const V1 = `sha256:${createHash('sha256').update('v1').digest('hex')}`
const READ = [{ pattern: '*', actions: ['read' as const] }]
const RULES = [{ guns: '*', tags: 'v*' }]
const WHY = `the record "head ${DAMAGED}" is damaged`

const LIST = `REPOSITORY           VERSION  DELEGATIONS  EXPIRES
example.org/damaged  -        -            damaged: countersign check
example.org/sound    1        0            YYYY-MM-DD (N days)
`

describe('damage is named and hides nothing else', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    const server = await terminal.host()
    for (const gun of [DAMAGED, SOUND]) {
      const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
      await world.publishFirst(server)
    }
    await server.end()
    await spoil({ directory: terminal.path('data') }, headKey(parseGun(DAMAGED)))
  })
  after(() => terminal.close())

  async function prints(command: string, code: number, expected: string): Promise<void> {
    const printed = await terminal.run(command.split(' '))
    assert.deepEqual([printed.code, steady(printed.stdout + printed.stderr)], [code, expected], command)
  }

  async function looks(): Promise<void> {
    await prints('repo list', 1, LIST)
    assert.deepEqual((await terminal.ask(listRepositories, {}))[0], { gun: DAMAGED, damaged: WHY })
    const hint =
      'hint: "countersign check" lists all damage; to mend it, stop the server and run "countersign repair DIRECTORY"\n'
    await prints(`repo show ${DAMAGED}`, 2, `error: ${WHY}\n${hint}`)
    await prints(
      'repo pin * --all',
      1,
      `REPOSITORY         ROOT  CERTIFICATE IDS\n${SOUND}  1     1 of ID\nerror: ${DAMAGED}: ${WHY}\n${hint}`,
    )
    const { stdout } = await terminal.run(['find', V1, '--json'])
    const { now } = JSON.parse(stdout) as { now: { gun: string; damaged?: string }[] }
    assert.deepEqual(
      now.map(({ gun, damaged }) => [gun, damaged]),
      [
        [DAMAGED, WHY],
        [SOUND, undefined],
      ],
    )
    const found = await terminal.run(['find', V1])
    assert.deepEqual(
      [found.code, found.stdout.match(/ {2}(?:damaged|now) {2,}/g)?.map((cell) => cell.trim())],
      [0, ['damaged', 'now']],
    )
    assert.ok(found.stdout.endsWith(`\nwarning: ${DAMAGED}: ${WHY}\n`), found.stdout)
  }

  test('the exit code reports damage even if nobody reads the output', async () => {
    const { environment: env, directory: cwd } = terminal
    for (const command of ['check', 'repo list', 'audit --json']) {
      const child = spawn(COMMAND, command.split(' '), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
      child.stdout.destroy()
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
      assert.deepEqual([stderr, code], ['', command === 'audit --json' ? 0 : 1], command)
    }
  })

  test('damaged repositories are named by a stopped server and by a running one', async () => {
    await looks()
    const server = await terminal.host()
    await looks()
    await server.end()
  })

  test('a plan for many repositories includes the damaged one', async () => {
    const { code, stdout } = await terminal.run(['key', 'rotate', '*', 'timestamp', '--all', '--plan'])
    assert.equal(code, 1)
    assert.ok(stdout.startsWith(`Rotating the timestamp key of ${DAMAGED}\n  cannot be done: ${WHY}\n\n`), stdout)
    assert.match(stdout, new RegExp(`^Rotating the timestamp key of ${SOUND}\n  root version 2`, 'm'))
    // Whether the damaged one was adopted cannot be known.
    const adopted = await terminal.run(['key', 'rotate', '*', 'timestamp', '--adopted', '--plan'])
    assert.match(adopted.stderr, /^error: \* names no repository that waits to be signed here\n/)
  })

  test('a signer is removed, with a warning where its trust cannot be checked', async () => {
    await terminal.ask(makeSigner, { name: 'ci' })
    await prints(
      'signer remove ci',
      0,
      `removed the signer ci; owners of repositories remove it too
warning: ${DAMAGED} is damaged: cannot tell whether it trusts ci
`,
    )
  })

  test('the server starts with a damaged user, token and policy, and each can be made again', async () => {
    const done = async (command: string): Promise<string> => {
      const { code, stdout, stderr } = await terminal.run(command.split(' '))
      assert.equal(code, 0, stderr)
      return stdout
    }
    const ids: Record<string, string> = {}
    for (const name of ['alice', 'bob']) {
      await terminal.ask(addUser, { name, grants: READ })
      ids[name] = (await terminal.ask(createToken, { name: `of-${name}`, grants: READ, owner: name })).id
      await terminal.ask(setPolicy, { subject: `user:${name}`, rules: RULES })
    }
    const records = [
      ['user', 'alice'],
      ['token', ids['alice'] ?? ''],
      ['policy', 'user:alice'],
    ] as const
    for (const [kind, name] of records) await spoil({ directory: terminal.path('data') }, recordKey(kind, name))
    const server = await terminal.host()
    await prints(
      'user list',
      1,
      'USER   LOGIN                       MAY\nbob    no password                 read:*\nalice  damaged: countersign check\n',
    )
    for (const [kind, name] of records) {
      const { code, stdout } = await terminal.run([kind, 'list', '--json'])
      const row = { name, damaged: `the record "${kind} ${name}" is damaged` }
      assert.deepEqual([code, (JSON.parse(stdout) as object[])[1]], [1, row])
    }
    assert.equal(await done('user remove alice'), 'removed user alice\n')
    await done('user add alice --no-password')
    await done('policy set user:alice --rule *:v*')
    await done('token revoke of-bob')
    await done('token create of-alice --allow read:*')
    await done('user list')
    await done('policy list')
    await server.end()
  })

  test('a damaged signer is removed and made again', async () => {
    await terminal.ask(makeSigner, { name: 'nightly' })
    await spoil({ directory: terminal.path('data') }, recordKey('signer', 'nightly'))
    const removed = await terminal.run(['signer', 'remove', 'nightly'])
    assert.deepEqual([removed.code, removed.stderr], [0, ''])
    assert.equal((await terminal.run(['signer', 'remove', 'nightly'])).code, 1)
    assert.equal((await terminal.run(['signer', 'create', 'nightly'])).code, 0)
    await prints('signer list', 0, 'SIGNER   KEY ID\nnightly  ID\n')
  })

  test('expiry names damaged server certificates, with what to do, and all other rows', async () => {
    const others = (of: readonly { what: string; gun: string | null }[]): unknown[] =>
      of.filter(({ gun }) => gun !== null).map(({ gun, what }) => [gun, what])
    const whole = await terminal.ask(showExpiry, {})
    const files = ['ca.crt', 'server.crt'].map((name) => terminal.path('keys', 'tls', name))
    const before = await Promise.all(files.map((file) => readFile(file)))
    await Promise.all(files.map((file) => writeFile(file, '')))
    const rows = await terminal.ask(showExpiry, {})
    await Promise.all(files.map((file, index) => writeFile(file, before[index] ?? '')))
    assert.deepEqual(others(rows), others(whole))
    const own = rows
      .filter(({ what }) => what.startsWith('server'))
      .map(({ what, daysLeft, todo }) => [what, daysLeft, todo])
    assert.deepEqual(own, [
      ['server certificate, which cannot be read', 0, 'restart the server: it makes a new one'],
      [
        'server CA, which cannot be read',
        0,
        'copy tls/ca.crt back into its keys directory from a client; or stop the server, remove tls/ in its keys directory, start it, give clients the new tls/ca.crt',
      ],
    ])
  })

  test('a lost policy is named until it is set again', async () => {
    await terminal.ask(setPolicy, { subject: 'user:carol', rules: RULES })
    await lose({ directory: terminal.path('data') }, recordKey('policy', 'user:carol'))
    const { code, stdout } = await terminal.run(['policy', 'list'])
    assert.equal(code, 1)
    assert.match(stdout, /^user:carol +damaged: countersign check$/m)
    const why = 'error: the rules of user:carol cannot be read: its record is not found\n'
    await prints(
      'policy show user:carol',
      2,
      `${why}hint: set them again: countersign policy set user:carol --rule …\n`,
    )
    assert.match(await terminal.checked(), /^error: the policy "user:carol" is missing or was changed$/m)
    await terminal.run(['policy', 'set', 'user:carol', '--rule', '*:v*'])
    assert.equal((await terminal.run(['policy', 'show', 'user:carol'])).code, 0)
  })

  test('a user known only from the journal is removed with their tokens', async () => {
    await terminal.ask(addUser, { name: 'dave', grants: READ })
    await terminal.ask(createToken, { name: 'of-dave', grants: READ, owner: 'dave' })
    await lose({ directory: terminal.path('data') }, recordKey('user', 'dave'))
    await prints('user remove dave', 0, 'removed user dave, revoked 1 token\n')
    await prints(
      'user remove dave',
      1,
      'error: there is no user dave\nhint: "countersign user list" prints all names\n',
    )
  })

  test('all threads together make one new timestamp, and the damaged one is still named', async () => {
    const { roles } = await terminal.ask(showRepository, { gun: SOUND })
    const { sha256 = '' } = roles.find(({ role }) => role === 'timestamp') ?? {}
    await spoil({ directory: terminal.path('data') }, documentKey(parseGun(SOUND), 'timestamp', sha256))
    const named = new RegExp(`^error: the record "document ${SOUND} timestamp ${sha256}" is damaged$`, 'm')
    assert.match(await terminal.checked(), named)
    const server = await terminal.serve(['--quiet'], { COUNTERSIGN_THREADS: '4' })
    const path = tufPath(SOUND, 'timestamp.json')
    const answers = await Promise.all(Array.from({ length: 40 }, () => exchange(server, { path })))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(new Set(answers.map(({ body }) => body.toString())).size, 1)
    assert.match(await terminal.checked(), named)
    assert.equal(await server.end(), 0)
    const errors = server.log.filter(({ level, msg }) => level === 'error' && msg !== 'what ends cannot be read')
    assert.deepEqual(
      errors.map(({ msg, gun, role }) => [msg, gun, role]),
      [['what was damaged was made anew', SOUND, 'timestamp']],
    )
    assert.match(await terminal.checked(), named)
  })

  test('a damaged journal entry is named', async () => {
    const publishes = async (): Promise<(string | number)[][]> => {
      const { stdout } = await terminal.run(['audit', '--json', '--kind', 'publish'])
      const entries = stdout.trimEnd().split('\n')
      return entries
        .map((line) => JSON.parse(line) as { number: number; damaged?: string })
        .map(({ number, damaged = '' }) => [number, damaged])
    }
    const [[number] = [0], ...others] = await publishes()
    await spoil({ directory: terminal.path('data') }, journalKey(Number(number)))
    assert.deepEqual(await publishes(), [[number, `the record "journal ${number}" is damaged`], ...others])
    const { code, stdout } = await terminal.run(['audit'])
    assert.equal(code, 1)
    assert.match(stdout, new RegExp(`^${Number(number) - 1} .*[^]*^${number}  damaged\\n${Number(number) + 1} `, 'm'))
  })

  test('a repository with a damaged document can be deleted and made again', async () => {
    const { roles } = await terminal.ask(showRepository, { gun: SOUND })
    const { sha256 = '' } = roles.find(({ role }) => role === 'targets') ?? {}
    await spoil({ directory: terminal.path('data') }, documentKey(parseGun(SOUND), 'targets', sha256))
    const { code, stderr } = await terminal.run(['repo', 'delete', SOUND])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^error: nothing was deleted: \S+ has signed tags that cannot be read: the record ".*" is damaged$/m,
    )
    await prints(`repo delete ${SOUND} --yes`, 0, `deleted ${SOUND}\n`)
    await prints(
      `repo delete ${SOUND} --yes`,
      1,
      `error: there is no repository ${SOUND}\nhint: "countersign repo list" prints all names\n`,
    )
    const server = await terminal.host()
    const world = await TrustWorld.create({ gun: SOUND, now: Date.now(), serverKeys: keysFrom(server, SOUND) })
    await world.publishFirst(server)
    await server.end()
  })
})

test('a repository whose root or head is damaged or lost leads to check and repair', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const server = await terminal.host()
  const guns = ['example.org/damaged-root', 'example.org/lost-root', 'example.org/lost-head']
  for (const gun of guns) {
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    await world.publishFirst(server)
  }
  const root = async (gun: string): Promise<Buffer> => {
    const { roles } = await terminal.ask(showRepository, { gun })
    return documentKey(parseGun(gun), 'root', roles.find(({ role }) => role === 'root')!.sha256)
  }
  const [damaged = '', lost = '', headless = ''] = guns
  const [damagedRoot, lostRoot] = [await root(damaged), await root(lost)]
  await server.end()
  const place = { directory: terminal.path('data') }
  await spoil(place, damagedRoot)
  await lose(place, lostRoot)
  await lose(place, headKey(parseGun(headless)))
  const hint =
    '"countersign check" lists all damage; to mend it, stop the server and run "countersign repair DIRECTORY"'
  for (const command of ['repo show', 'key list', 'repo pin', 'tag list']) {
    const says = (gun: string, text: string): Promise<string> =>
      terminal.prints(`${command} ${gun}`, new RegExp(`^error: ${text}\nhint: ${hint}\n$`), 2)
    await says(lost, `the store lacks the current root of ${lost}`)
    await says(damaged, `the record "document ${damaged} root \\S+" is damaged`)
    await says(headless, `the store lacks the head of ${headless}`)
  }
})
