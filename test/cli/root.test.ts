import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { listKeys } from '../../src/admin/keys.ts'
import { showRepository } from '../../src/admin/repositories.ts'
import { listRootKeys } from '../../src/admin/root-keys.ts'
import { discardRoot, stageNextRoot } from '../../src/admin/roots.ts'
import { COMMAND } from '../support/server-process.ts'
import { asOwner, makeRootKeys } from '../support/owner.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/two'
const LATER = 'docker.io/acme/three'

describe('root keys on the command line', () => {
  let terminal: Terminal
  /** Runs from the first to the last tests. */
  let server: Hosted

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
    for (const name of ['alice', 'bob', 'file']) {
      await writeFile(terminal.path(`${name}.pass`), `the passphrase of ${name}\n`, { mode: 0o600 })
    }
    await writeFile(terminal.path('wrong.pass'), 'not the passphrase\n', { mode: 0o600 })
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)

  /** Runs a command with this file size limit, as on a full disk. */
  async function full(bytes: number, command: string, expected: RegExp): Promise<void> {
    const args = [`--fsize=${bytes}`, COMMAND, ...command.split(' ')]
    const typed = promisify(execFile)('prlimit', args, { env: terminal.environment, cwd: terminal.directory })
    await assert.rejects(typed, { code: 2, stderr: expected })
  }

  async function rootOf(gun: string): Promise<{ threshold: number; ids: string[] }> {
    const [root] = (await terminal.ask(showRepository, { gun })).roles
    return { threshold: root?.threshold ?? 0, ids: root?.keys.map(({ id }) => id).toSorted() ?? [] }
  }

  test('a root key has its own passphrase, is exported and imported, and another key does not take its name', async () => {
    await prints('root create alice --passphrase-file alice.pass --dry-run', 'would make the root key alice\n')
    await prints('root create alice --passphrase-file alice.pass --dry-run --json', /"keyId": null/)
    await prints('root create alice --passphrase-file alice.pass', 'made the root key alice: ID\n')
    await prints('root create alice --passphrase-file alice.pass', /there is already a root key alice/, 2)
    await prints('root create bob --passphrase-file bob.pass', 'made the root key bob: ID\n')
    const out = '--key-passphrase-file file.pass'
    await prints(`root export bob bob.key --passphrase-file alice.pass ${out}`, /passphrase does not open/, 2)
    await prints(
      `root export bob bob.key --passphrase-file bob.pass ${out} --remove --dry-run`,
      'would write bob.key; the root key bob would be offline then\n',
    )
    await prints(
      `root export bob bob.key --passphrase-file bob.pass ${out} --remove`,
      'wrote bob.key; the root key bob is offline now\n',
    )
    assert.equal((await stat(terminal.path('bob.key'))).mode & 0o777, 0o600)
    assert.match(
      await readFile(terminal.path('bob.key'), 'utf8'),
      /^-----BEGIN ENCRYPTED PRIVATE KEY-----\npath: [0-9a-f]{64}\nrole: root\n/,
    )
    await prints('root list', /^ROOT KEY {2}KEY ID +WHERE\nalice +ID {2}sealed here\nbob +ID {2}offline\n$/)
    await prints(
      'repo create docker.io/acme/never --root-key bob',
      /^error: the root key bob is offline\nhint: to take it back: countersign root import bob KEYFILE; /,
      2,
    )
    await prints(
      'root export alice bob.key',
      /cannot make bob\.key: EEXIST: file already exists\nhint: name another file/,
      2,
    )
    await prints(`root export alice alice.key --passphrase-file alice.pass ${out}`, 'wrote alice.key\n')
    await prints(`root import bob alice.key ${out} --passphrase-file bob.pass`, /there is already a root key bob/, 2)
    await prints(
      `root import alice alice.key ${out} --passphrase-file bob.pass`,
      'error: this root key is here already, as alice\nhint: nothing is left to do; its passphrase here is the one that was chosen then\n',
      2,
    )
    await prints(
      `root import carol alice.key ${out} --passphrase-file bob.pass --dry-run`,
      'would take the root key carol: ID\n',
    )
    for (const [file, why] of [
      ['bob.key', 'EEXIST: file already exists'],
      ['nowhere/alice.key', 'ENOENT: no such file or directory'],
    ] as const)
      await prints(
        `root export alice ${file} --passphrase-file alice.pass ${out} --dry-run`,
        `error: cannot make ${file}: ${why}\nhint: name another file\n`,
        2,
      )
    assert.deepEqual(
      (await terminal.ask(listRootKeys, {})).map(({ name }) => name),
      ['alice', 'bob'],
    )
    await writeFile(terminal.path('empty.pass'), '\n', { mode: 0o600 })
    for (const rehearsed of ['', ' --dry-run']) {
      const open = 'root export alice open.key --passphrase-file alice.pass --key-passphrase-file empty.pass'
      await prints(`${open}${rehearsed}`, 'error: the passphrase must have at least 8 characters\n', 2)
    }
    assert.ok(!existsSync(terminal.path('open.key')))
    server = await terminal.host()
    const halved = `root export alice half.key --passphrase-file alice.pass ${out} --remove`
    await full(100, halved, /^error: cannot make half\.key: EFBIG/)
    assert.ok(!existsSync(terminal.path('half.key')))
    await prints('root list', /^alice +ID {2}sealed here$/m)
    await server.end()
    // Room for the key file, but not for the commit.
    await prints('root list', /^alice +ID {2}sealed here$/m)
    const kept = `root export alice kept.key --passphrase-file alice.pass ${out} --remove`
    await full(
      600,
      kept,
      /^wrote kept\.key; whether the root key alice is still here .*\nerror: nothing can be written/,
    )
    await prints('root list', /^alice +ID {2}sealed here$/m)
    // A targets key is beside it, in a file whose name says nothing.
    const ofTargets = (await readFile(terminal.path('bob.key'), 'utf8')).replace(
      'role: root',
      `role: targets\ngun: ${GUN}`,
    )
    await writeFile(terminal.path('targets.key'), ofTargets)
    await prints(
      'root import carol targets.key',
      `error: targets.key says that it is a targets key of ${GUN}\nhint: the file of a root key has the line "role: root"\n`,
      2,
    )
    await prints('root import bob bob.key --key-passphrase-file wrong.pass', /does not open the key file/, 2)
    await prints('root import bob bob.key', /^error: there is no terminal to ask for the passphrase of bob\.key\n/, 2)
    await prints('root import No.Name bob.key', /^error: that is not a valid name\n/, 2)
    await prints(`root import bob bob.key ${out} --passphrase-file bob.pass`, 'took the root key bob: ID\n')
    await prints('root list', /bob +ID {2}sealed here\n$/)
  })

  test('a wrong passphrase leaves nothing behind that would prevent the next try', async () => {
    server = await terminal.host()
    await asOwner(terminal, 'alice.pass', ({ create }) => create(LATER, 'alice'))
    await prints(`key rotate ${LATER} timestamp --passphrase-file wrong.pass`, /does not open the root key alice$/m, 2)
    await prints(`key rotate ${LATER} timestamp`, /there is no terminal to ask for the passphrase/, 2)
    await prints(`root show ${LATER}`, /no root of .* waits for signatures/, 1)
    assert.ok(!(await terminal.ask(listKeys, { gun: LATER })).some(({ pending }) => pending))
    await prints(`key rotate ${LATER} timestamp --passphrase-file alice.pass`, /root version 2\n$/)
    const fleet = 'key rotate docker.io/acme/* snapshot --all --passphrase-file'
    await prints(`${fleet} wrong.pass`, /does not open/, 2)
    await prints(`${fleet} alice.pass`, /root version 3\n$/)
  })

  test('two people sign with their own keys and passphrases, in any order', async () => {
    // Creation opens both keys in one command: a terminal asks for each, here one file must do for both.
    const out = '--key-passphrase-file file.pass'
    await prints(`root import carol bob.key ${out} --passphrase-file alice.pass`, 'took the root key carol: ID\n')
    // A pipe gives its content once.
    const create = `${COMMAND} repo create ${GUN} --root-key alice carol --root-threshold 2 --passphrase-file /dev/stdin`
    const typed = { env: terminal.environment, cwd: terminal.directory }
    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', `cat alice.pass | '${create.replaceAll(' ', "' '")}'`],
      typed,
    )
    assert.match(stdout, /^created /)
    const before = await rootOf(GUN)
    assert.equal(before.threshold, 2)
    await prints(`repo show ${GUN}`, /^ {2}root .* 2 of: SHORTENED-ID ecdsa-x509 \(.*\), SHORTENED-ID ecdsa-x509 \(/m)
    await prints(`key rotate ${GUN} timestamp --stage`, /waits for signatures/)
    await prints(`key list ${GUN}`, /^timestamp +ID +ecdsa +file +\S+ +waits for a root that names it$/m)
    await prints(`root publish ${GUN}`, /lacks signatures/, 2)
    await prints(`root sign ${GUN} --root-key nobody`, /there is no root key nobody/, 1)
    await prints('root sign * --all --root-key nobody', /there is no root key nobody/, 1)
    await prints(
      `root sign ${GUN} --root-key bob --passphrase-file bob.pass`,
      /ID bob: signed\n[^]*ID alice: not yet\n|ID alice: not yet\n[^]*ID bob: signed\n/,
      1,
    )
    await prints(
      `root sign ${GUN} --root-key alice --passphrase-file alice.pass`,
      `published root version 2 of ${GUN}\n`,
    )
    // New certificates of the same keys: still two, and both must sign.
    await prints(`key rotate ${GUN} root --renew --passphrase-file wrong.pass`, /does not open/, 2)
    await prints(
      `key rotate ${GUN} root --root-key alice --passphrase-file alice.pass`,
      /exceeds the number of keys/,
      2,
    )
    // Naming one twice counts once.
    const twice = '--root-key alice alice --root-threshold 2 --passphrase-file alice.pass'
    for (const command of [`key rotate ${GUN} root ${twice} --plan`, `repo create docker.io/acme/never ${twice}`])
      await prints(command, /^error: the threshold 2 exceeds the number of keys, 1\nhint: name more/, 2)
    // No passphrase is asked for, because there is no terminal.
    await prints(
      'repo create docker.io/acme/never --root-threshold 2',
      /exceeds the number of keys, 1\nhint: name more/,
      2,
    )
    assert.deepEqual(await rootOf(GUN), before)
  })

  test('concurrent signatures on the same file are both kept', async () => {
    await prints(`key rotate ${GUN} snapshot --stage`, /waits for signatures/)
    await prints(`root show ${GUN} --out both.json`, /^wrote both\.json/)
    // One is typing a passphrase while the other signs.
    await promisify(execFile)('mkfifo', [terminal.path('typed')])
    const signing = terminal.runApart('root sign both.json --key alice.key --key-passphrase-file typed'.split(' '))
    const typed = await open(terminal.path('typed'), 'w')
    await prints('root sign both.json --key bob.key --key-passphrase-file file.pass', /^signed this root of /)
    await typed.writeFile('the passphrase of file\n')
    await typed.close()
    assert.equal((await signing).code, 0)
    await prints(`root publish ${GUN} both.json`, `published root version 3 of ${GUN}\n`)
  })

  test('a plan shows what was asked for; options that change nothing are refused', async () => {
    const said = '--root-key, --root-threshold and --renew say nothing about timestamp'
    for (const option of ['--renew', '--root-key bob', '--root-threshold 2 --plan', '--renew --stage --dry-run']) {
      await prints(
        `key rotate ${LATER} timestamp ${option}`,
        `error: ${said}\nhint: these options are only for: key rotate GUN root\n`,
        2,
      )
    }
    await prints(
      `key rotate ${LATER} root --root-key alice bob --root-threshold 2 --plan`,
      /root version 4, signed by 1 of:\n {4}ID alice\n {2}from then on each root is signed by 2 of:\n {4}ID alice\n {4}ID bob\n/,
    )
    await prints(
      `key rotate ${LATER} root --renew --dry-run`,
      `Renewing the root certificates of ${LATER}
  root version 4, signed by 1 of:
    ID alice
  from then on each root is signed by 1 of:
    ID alice
  signed by the server with it: snapshot, timestamp
  all clients follow, whichever root they have cached
  breaks: clients that pin root certificates (trust_pinning) refuse the new root until they pin its certificate too
  breaks: docker before 17.10 and notary before 0.5.1 refuse the roots after it where they have not read this one
`,
    )
    await prints(
      `key rotate ${LATER} root --renew --passphrase-file alice.pass`,
      `renewed the root certificates of ${LATER}: root version 4\n`,
    )
    const former = /breaks: whoever holds only the former root key can no longer change this repository\n/
    await prints(`key rotate ${LATER} root --root-key bob --plan`, former)
    await prints(`key rotate ${LATER} root --root-key alice bob --root-threshold 2 --plan`, former)
    // With one more person nobody is left out, but clients that pin alice's key refuse a root signed by bob alone.
    const pinned =
      'breaks: clients that pin root keys (Connaisseur) refuse the roots after it until they pin the new ones'
    const beside = await terminal.run(['key', 'rotate', LATER, 'root', '--root-key', 'alice', 'bob', '--plan'])
    assert.deepEqual([beside.stdout.includes(pinned), former.test(beside.stdout)], [true, false])
    await prints(`key rotate ${LATER} root --root-key nobody --plan`, /there is no root key nobody/, 1)
    await prints(`key rotate ${LATER} root --renew --root-key bob --plan`, /use either --root-key, /, 2)
    await prints(`key rotate ${LATER} root --root-key bob --root-threshold 2 --plan`, /exceeds the number of keys/, 2)
  })

  test('root sign FILE works without a server, and says first what it would do', async () => {
    const out = '--key-passphrase-file file.pass'
    await prints(`key rotate ${LATER} targets --stage`, /waits for signatures/)
    await prints(`root show ${LATER} --out staged.json`, /^wrote staged\.json/)
    // The next to sign may be another person.
    await chmod(terminal.path('staged.json'), 0o664)
    // They may reach it through a link.
    await mkdir(terminal.path('stick'))
    await symlink('../staged.json', terminal.path('stick', 'link.json'))
    await prints(
      `root publish ${LATER} staged.json --dry-run`,
      /^error: nobody has signed the root in staged\.json yet\nhint: countersign root sign staged\.json --key KEYFILE\n$/,
      2,
    )
    await prints(
      'root sign staged.json',
      /^error: staged\.json holds a root to be signed, but no key was given\nhint: .*--key/,
      2,
    )
    await prints(`root sign staged.json --key bob.key ${out}`, /bob\.key is not a root key of/, 2)
    await prints(
      `root sign stick/link.json --key alice.key ${out}`,
      /^signed this root of [^]* version {2}5, until [^]* root {7}1 of ID\n[^]*take it back/,
    )
    await full(1_000, `root sign staged.json --key alice.key ${out}`, /^error: cannot write staged\.json: EFBIG/)
    const signed = await readFile(terminal.path('staged.json'), 'utf8')
    const again = await terminal.run(`root sign staged.json --key alice.key ${out} --dry-run`.split(' '))
    assert.equal(await readFile(terminal.path('staged.json'), 'utf8'), signed)
    assert.equal((await stat(terminal.path('staged.json'))).mode & 0o777, 0o664)
    const [id = ''] = (await rootOf(LATER)).ids
    assert.ok(again.stdout.includes(`  root       1 of ${id}\n`), 'the id in repo show')
    await prints(`root publish ${LATER} staged.json --dry-run`, `would publish root version 5 of ${LATER}\n`)
    await prints(`root show ${LATER}`, /ID .*: not yet/)
    await prints(`root publish ${LATER} staged.json`, `published root version 5 of ${LATER}\n`)
    const staged = JSON.parse(await readFile(terminal.path('staged.json'), 'utf8')) as { payload: object }
    for (const other of [
      { gun: LATER, signatures: [], payload: { _type: 'Root' } },
      { ...staged, payload: { ...staged.payload, _type: 'Targets' } },
      { ...staged, gun: `${LATER} in staged.json:\n  version  6, until` },
      { ...staged, signatures: [null] },
    ]) {
      await writeFile(terminal.path('other.json'), JSON.stringify(other))
      await prints(
        `root sign other.json --key alice.key ${out}`,
        /^error: other\.json does not hold a staged root\n/,
        2,
      )
    }
    await prints(
      `root sign ${LATER} --key alice.key ${out}`,
      /ENOENT.*\nhint: name a file here: "countersign root show /,
      2,
    )
    const broken = JSON.stringify({ ...staged, payload: { ...staged.payload, roles: {} } })
    await writeFile(terminal.path('other.json'), broken)
    await prints(`root sign other.json --key alice.key ${out}`, /^error: /, 2)
    assert.equal(await readFile(terminal.path('other.json'), 'utf8'), broken)
  })

  test('printed commands quote file names for a shell; signatures of a discarded root do not fit the next one', async () => {
    const type = async (code: number, ...args: string[]): Promise<string> => {
      const printed = await terminal.run(args)
      assert.equal(printed.code, code, printed.stderr)
      return printed.stdout + printed.stderr
    }
    const stage = (role: 'timestamp' | 'snapshot'): Promise<unknown> =>
      terminal.ask(stageNextRoot, { gun: LATER, change: { what: 'keys', roles: [role] } })
    await stage('timestamp')
    await makeRootKeys(terminal, 'bob.pass', 'stranger')
    assert.equal(
      await type(2, 'root', 'sign', LATER, '--root-key', 'stranger', '--passphrase-file', 'bob.pass'),
      `error: no root key of ${LATER} is among those to sign with: stranger\n` +
        `hint: "countersign root show ${LATER}" shows which keys are needed\n`,
    )
    const wrote = await type(0, 'root', 'show', LATER, '--out', 'the next.json')
    assert.ok(wrote.includes(`"countersign root sign 'the next.json' --key KEYFILE"`), wrote)
    const signing = ['--key', 'alice.key', '--key-passphrase-file', 'file.pass']
    const signed = await type(0, 'root', 'sign', 'the next.json', ...signing)
    assert.ok(signed.endsWith(`countersign root publish ${LATER} 'the next.json'\n`), signed)
    await terminal.ask(discardRoot, { gun: LATER })
    await stage('snapshot')
    const hint = `another root? "countersign root show ${LATER} --out FILE"`
    assert.ok((await type(2, 'root', 'publish', LATER, 'the next.json')).includes(hint))
    await terminal.ask(discardRoot, { gun: LATER })
  })

  test('outside the prefixes no repository or key is made', async () => {
    await server.end()
    const only = { COUNTERSIGN_GUN_PREFIXES: 'docker.io/acme/' }
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
    await writeFile(terminal.path('plain.key'), pem)
    const create = (gun: string): string => `repo create ${gun} --root-key alice --passphrase-file alice.pass`
    for (const [command, code, text] of [
      [create('docker.io/other'), 2, /^error: Require GUNs with prefix: \[docker.io\/acme\/\]\nhint: .*gunPrefixes/],
      [`${create('docker.io/other')} --dry-run`, 2, /Require GUNs/],
      ['repo create docker.io/other --passphrase-file alice.pass', 2, /Require GUNs/],
      ['root list', 0, /^(?!.*\broot {2})/s],
      [create('docker.io/acme/within'), 0, /^created /],
      ['key import docker.io/other targets --file plain.key', 1, /Require GUNs/],
      ['key list docker.io/other', 1, /no repository/],
      ['key import docker.io/acme/within targets --file plain.key', 0, /imported/],
    ] as const) {
      const { stdout, stderr, code: ended } = await terminal.run(command.split(' '), only)
      assert.match(stdout + stderr, text, command)
      assert.equal(ended, code, command)
    }
  })

  test('renewing a shared certificate keeps it shared', async () => {
    const wildcard = '--wildcard docker.io/fleet/* --root-key alice --passphrase-file alice.pass'
    await prints(`repo create docker.io/fleet/one ${wildcard} --dry-run`, 'would create docker.io/fleet/one\n')
    assert.doesNotMatch(JSON.stringify(await terminal.ask(listRootKeys, {})), /fleet/)
    await prints(`repo create docker.io/fleet/one ${wildcard}`, /^created /)
    await prints(`repo create docker.io/fleet/two ${wildcard}`, /^created /)
    await prints(
      'key rotate docker.io/fleet/* root --renew --all --passphrase-file alice.pass',
      `REPOSITORY            STATE    ROOT
docker.io/fleet/one  rotated  2
docker.io/fleet/two  rotated  2
2 repositories: 2 rotated
`.replace('REPOSITORY            ', 'REPOSITORY           '),
    )
    for (const name of ['one', 'two']) {
      const { stdout } = await terminal.run(['key', 'rotate', `docker.io/fleet/${name}`, 'root', '--plan', '--json'])
      const [plan] = JSON.parse(stdout) as { commonName: string; cachedRoots: { follows: boolean }[] }[]
      assert.equal(plan?.commonName, 'docker.io/fleet/*')
      assert.deepEqual(
        plan.cachedRoots.map(({ follows }) => follows),
        [true, true],
      )
    }
    assert.match(await terminal.checked(), /: sound\n$/)
  })
})
