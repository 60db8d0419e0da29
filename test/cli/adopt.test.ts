import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { signTag } from '../../src/admin/tags.ts'
import { exchange } from '../support/exchange.ts'
import { tufPath } from '../support/upload.ts'
import { createRepositories } from '../support/owner.ts'
import type { Hosted } from './hosted.ts'
import { steady, Terminal, type Printed } from './terminal.ts'

const [APP, WEB] = ['docker.io/acme/app', 'docker.io/acme/web'] as const
const NONE = 'docker.io/acme/none'
const DIGEST = `sha256:${'ab'.repeat(32)}`

const HEAD = 'REPOSITORY          STATE    ROOTS  ROOT KEY      TARGETS  TIMESTAMP'
const CHECK = 'hint: check the name, which has no tag; what docker calls alpine is docker.io/library/alpine here'
const NEXT =
  'not signed by this server yet; for that, bring the keys of a server of your own, or root keys must sign a new root (docs/ADOPTION.md):'
const rotate = (gun: string): string => `  countersign key rotate ${gun} snapshot`
const row = (gun: string, state = 'adopted', targets = 2): string =>
  `${gun}  ${state}  1      SHORTENED-ID  ${targets}        YYYY-MM-DD (N days)`

/** The other server is also a Countersign server here. */
describe('countersign repo adopt', () => {
  let there: Terminal
  let here: Terminal
  let other: Hosted
  let server: Hosted
  let from: string[]

  before(async () => {
    there = await Terminal.open()
    here = await Terminal.open()
    for (const terminal of [there, here]) {
      await writeFile(terminal.path('pass'), 'the passphrase of root\n', { mode: 0o600 })
    }
    other = await there.host()
    await createRepositories(there, 'pass', APP, WEB)
    for (const gun of [APP, WEB]) await there.ask(signTag, { gun, tag: 'v1', digest: DIGEST, size: 7 })
    await on(there, `root export root ${here.path('root.key')} --passphrase-file pass --key-passphrase-file pass`)
    server = await here.host()
    from = ['--from', other.url, '--tlscacert', there.path('keys', 'tls', 'ca.crt')]
  })
  after(async () => {
    await there.close()
    await here.close()
  })

  async function on(terminal: Terminal, command: string): Promise<string> {
    const { code, stdout, stderr } = await terminal.run(command.split(' '))
    assert.equal(code, 0, `${command}: ${stdout}${stderr}`)
    return steady(stdout)
  }

  const adopt = (...args: string[]): Promise<Printed> => here.run(['repo', 'adopt', ...args])

  async function prints(args: readonly string[], expected: readonly string[], code = 0): Promise<void> {
    const printed = await adopt(...args, ...from)
    assert.equal(steady(printed.stdout), expected.map((line) => `${line}\n`).join(''))
    assert.deepEqual([printed.stderr, printed.code], ['', code])
  }

  async function refused(args: readonly string[], expected: string | RegExp, code: number): Promise<void> {
    const printed = await adopt(...args)
    if (typeof expected === 'string') assert.equal(steady(printed.stderr), expected)
    else assert.match(printed.stderr, expected)
    assert.deepEqual([printed.stdout, printed.code], ['', code])
  }

  test('--dry-run says what would be adopted and changes nothing', async () => {
    await prints(
      [APP, WEB, '--dry-run'],
      [
        'REPOSITORY          STATE             ROOTS  ROOT KEY      TARGETS  TIMESTAMP',
        row(APP, 'would be adopted'),
        row(WEB, 'would be adopted'),
        '2 repositories: 2 would be adopted',
      ],
    )
    assert.equal(await on(here, 'repo list'), 'no repositories\n')
  })

  test("a trusted root must be among the other server's roots", async () => {
    const { body } = await exchange(other, { path: tufPath(APP, 'root.json') })
    await writeFile(here.path('root.json'), body)
    const known = ['--trusted-root', 'root.json', ...from]
    await refused(
      [WEB, ...known],
      /^error: none of the roots of \S+ is the one that is trusted\nhint: .*ask its owner before you adopt/,
      2,
    )
    assert.equal((await adopt(APP, '--dry-run', ...known)).code, 0)
    await refused(
      [APP, '--trusted-root', 'nowhere', ...from],
      /^error: cannot read nowhere: ENOENT.*\nhint: check the path\n$/,
      2,
    )
    await writeFile(here.path('targets.json'), (await exchange(other, { path: tufPath(APP, 'targets.json') })).body)
    await refused(
      [APP, '--trusted-root', 'targets.json', ...from],
      /^error: targets\.json has a root that cannot be /,
      2,
    )
    // In a client's directory each repository has its own.
    for (const gun of [APP, WEB]) {
      const metadata = here.path('trust', 'tuf', gun, 'metadata')
      await mkdir(metadata, { recursive: true })
      await writeFile(join(metadata, 'root.json'), (await exchange(other, { path: tufPath(gun, 'root.json') })).body)
    }
    const cached = ['--trusted-root', 'trust', '--dry-run', ...from]
    assert.equal((await adopt(APP, WEB, ...cached)).code, 0)
    const tilde = await here.run(['repo', 'adopt', APP, '--trusted-root=~/trust', '--dry-run', ...from], {
      HOME: here.path(),
    })
    assert.equal(tilde.code, 0, tilde.stderr)
    // Its parent has no repository at all, which is no reason to go on without a trusted root.
    await refused(
      [APP, '--trusted-root', '.', ...from],
      /^error: \. is not a trust directory of docker or notary\nhint: docker's is ~\/\.docker\/trust, that of notary is ~\/\.notary\n$/,
      1,
    )
    await writeFile(here.path('trust', 'tuf', WEB, 'metadata', 'root.json'), body)
    const { stdout, code } = await adopt(APP, WEB, NONE, ...cached)
    assert.match(stdout, new RegExp(`^error: ${WEB}: none of the roots of ${WEB} is the one that is trusted$`, 'm'))
    assert.match(stdout, new RegExp(`^error: ${NONE}: cannot read trust/tuf/${NONE}/metadata/root.json: ENOENT`, 'm'))
    assert.match(stdout, /^hint: this client has not read it: compare its root key /m)
    assert.match(stdout, new RegExp(`^${APP} +would be adopted`, 'm'))
    assert.equal(code, 1)
  })

  test('one or many are adopted, repeating it is harmless, and a failed one does not stop the others', async () => {
    await prints([APP], [HEAD, row(APP), NEXT, rotate(APP)])
    await there.ask(signTag, { gun: APP, tag: 'v2', digest: DIGEST, size: 7 })
    await prints([APP], [HEAD, row(APP, 'adopted', 3), NEXT, rotate(APP)])
    await prints(
      [APP, NONE, WEB],
      [
        'REPOSITORY           STATE      ROOTS  ROOT KEY      TARGETS  TIMESTAMP',
        'docker.io/acme/app   as before  1      SHORTENED-ID  3        YYYY-MM-DD (N days)',
        'docker.io/acme/none  failed',
        'docker.io/acme/web   adopted    1      SHORTENED-ID  2        YYYY-MM-DD (N days)',
        '3 repositories: 1 as before, 1 failed, 1 adopted',
        `error: ${NONE}: https://localhost:PORT has no trust data for ${NONE}`,
        CHECK,
        `2 ${NEXT}`,
        "  countersign key rotate '*' snapshot --adopted",
      ],
      1,
    )
    assert.match(await here.checked(), /^2 repositories, 3 commits, \d+ records: sound\n$/)
  })

  test('an invalid name among many is reported in its row, and the others are adopted', async () => {
    const [wrong, reason] = ['docker.io//web', 'invalid repository name: it has an empty path segment']
    await prints(
      [wrong, WEB],
      [
        'REPOSITORY          STATE      ROOTS  ROOT KEY      TARGETS  TIMESTAMP',
        `${wrong}      failed`,
        row(WEB, 'as before'),
        '2 repositories: 1 failed, 1 as before',
        `error: ${wrong}: ${reason}`,
        NEXT,
        rotate(WEB),
      ],
      1,
    )
    await refused([wrong, ...from], `error: ${reason}\n`, 2)
  })

  test('--json has the same content', async () => {
    const { stdout, code } = await adopt(APP, NONE, '--json', ...from)
    const [one, two] = JSON.parse(stdout) as Record<string, unknown>[]
    const { rootKeys, timestampEnds, ...facts } = one ?? {}
    assert.deepEqual(facts, {
      gun: APP,
      roots: { first: 1, last: 1 },
      version: 3,
      warnings: [],
      signedHere: false,
      changed: false,
      state: 'as before',
    })
    assert.match(String(rootKeys), /^[0-9a-f]{64}$/)
    assert.ok(Date.parse(String(timestampEnds)) > Date.now())
    assert.deepEqual(two, {
      gun: NONE,
      state: 'failed',
      error: `${other.url} has no trust data for ${NONE}`,
      hint: CHECK.replace('hint: ', ''),
    })
    assert.equal(code, 1)
  })

  test('an unreadable or invalid source is refused', async () => {
    const check = `${CHECK}\n`
    await refused([NONE, ...from], `error: https://localhost:PORT has no trust data for ${NONE}\n${check}`, 1)
    const usual =
      "hint: docker's is ~/.docker/trust, that of notary is ~/.notary; the URL of a server begins with https://\n"
    const noCache = 'is not a trust directory of docker or notary'
    await refused([APP, '--from', 'nowhere'], `error: nowhere ${noCache}\n${usual}`, 1)
    await mkdir(here.path('home', '.docker', 'trust', 'tuf'), { recursive: true })
    const tilde = await here.run(['repo', 'adopt', NONE, '--from=~/.docker/trust'], { HOME: here.path('home') })
    assert.equal(
      tilde.stderr,
      `error: ${here.path('home', '.docker', 'trust')} has no trust data for ${NONE}\n${check}`,
    )
    assert.equal(tilde.code, 1)
    const url = "error: the other server's URL must begin with https://, unless the server is on this machine\n"
    for (const place of ['http://notary.example', 'ftp://notary.example']) {
      await refused([APP, '--from', place], `${url}hint: for example https://notary.docker.io\n`, 2)
    }
    await refused([APP, '--from', other.url], /certificate is not trusted.*\nhint: .* --tlscacert FILE\n$/, 2)
    const { stdout } = await adopt(APP, WEB, '--from', other.url)
    assert.match(stdout, /\nerror: .*, for these 2:\n {2}docker.*\n {2}docker.*\nhint: .* --tlscacert FILE\n$/)
    await refused([APP, '--from', other.url, '--tlscacert', 'nowhere'], /^error: cannot read nowhere: ENOENT/, 2)
    const noCa =
      /^error: cannot read the certificates in pass: there is no PEM certificate of a CA\nhint: it must have the CA /
    await refused([APP, '--from', other.url, '--tlscacert', 'pass'], noCa, 2)
    await refused(['', ...from], /^error: invalid repository name: it is empty\n/, 2)
    await refused([APP], /required option '--from <place>' not specified/, 2)
  })

  test('until this server signs the repository, other commands say that it is adopted', async () => {
    const warning = `adopted, and not signed here yet: clients accept it until YYYY-MM-DD. countersign key rotate ${APP} snapshot`
    const shown = await on(here, `repo show ${APP}`)
    assert.match(shown, new RegExp(`^${APP}\n\nwarning: ${warning}\n\nRoles\n`))
    assert.match(shown, /^ {2}timestamp +3 +YYYY-MM-DD \(N days\) +SHORTENED-ID ecdsa \(elsewhere\)$/m)
    assert.match(await on(here, 'repo list'), /^docker\.io\/acme\/app +3 +0 +YYYY-MM-DD \(N days\)$/m)
    const expiry = (await on(here, 'expiry')).split('\n')
    const [, soonest = ''] = expiry
    // One row per repository: what expires later can wait.
    assert.equal(expiry.filter((line) => line.includes('docker.io/')).length, 2)
    assert.match(
      soonest,
      /^YYYY-MM-DD +1\d +docker\.io\/acme\/\w+ +timestamp +countersign key rotate .* --stage, and its owner signs that root$/,
    )
    const signed = await here.run(['tag', 'sign', APP, 'v3', DIGEST, '7'])
    assert.equal(signed.code, 2)
    assert.match(
      signed.stderr,
      new RegExp(`^error: ${APP} was adopted from another server, and this one cannot sign it yet`),
    )
    const first = /signed elsewhere: countersign key rotate \S+ snapshot comes first\n$/
    for (const typed of [['timestamp'], ['root', '--renew'], ['root', '--root-key', 'none']]) {
      const { code, stdout } = await here.run(['key', 'rotate', APP, ...typed, '--plan'])
      assert.match(stdout, first)
      assert.equal(code, 1)
    }
    const both = await here.run(['key', 'rotate', 'docker.io/acme/*', 'timestamp', '--adopted', '--plan'])
    const alike = `signed elsewhere: countersign key rotate GUN snapshot comes first\n  these 2 repositories:\n    ${APP}\n`
    assert.ok(both.stdout.includes(alike), both.stdout)
    const renewed = await here.run(['key', 'rotate', APP, 'root', '--renew'])
    assert.match(renewed.stderr, first)
    assert.deepEqual([renewed.stdout, renewed.code], ['', 2])
  })

  test('if a root waits, it is the one to sign, because no other can be made', async () => {
    const away = `countersign root show ${APP} --out FILE`
    await on(here, `key rotate ${APP} snapshot --stage`)
    const asBefore = [HEAD.replace('STATE   ', 'STATE     '), row(APP, 'as before', 3)]
    await prints([APP], [...asBefore, NEXT, `  countersign root show ${APP}`])
    for (const typed of [`root show ${APP}`, `root sign ${APP}`]) {
      const { stdout } = await here.run(typed.split(' '))
      assert.ok(stdout.endsWith(`\nnext: ${away}; whoever has such a key signs that file\n`), stdout)
    }
    const both = [...asBefore, row(WEB, 'as before'), '2 repositories: 2 as before', `2 ${NEXT}`]
    await prints([APP, WEB], [...both, "  countersign key rotate '*' snapshot --adopted", '  countersign root waiting'])
    await on(here, `root discard ${APP}`)
  })

  test('the next root is signed here, and from then on nothing from elsewhere is adopted', async () => {
    await on(here, 'root import acme root.key --passphrase-file pass --key-passphrase-file pass')
    assert.match(
      (await on(here, 'expiry')).split('\n')[1] ?? '',
      /countersign key rotate docker\.io\/acme\/\w+ snapshot$/,
    )
    // Repositories already signed here stay as they are.
    await createRepositories(here, 'pass', 'docker.io/acme/own')
    const plan = await on(here, 'key rotate docker.io/acme/* snapshot --adopted --plan')
    assert.match(
      plan,
      /^Rotating the snapshot key of 2 repositories\n {2}root version 2, signed by 1 of:\n {4}ID acme\n/,
    )
    assert.ok(plan.endsWith(`\n  these 2 repositories:\n    ${APP}\n    ${WEB}\n`), plan)
    assert.equal(plan.split('root version 2').length, 2)
    assert.equal(
      await on(here, 'key rotate docker.io/acme/* snapshot --adopted --passphrase-file pass'),
      `REPOSITORY          STATE    ROOT\n${APP}  rotated  2\n${WEB}  rotated  2\n2 repositories: 2 rotated\n`,
    )
    const again = await here.run(['key', 'rotate', 'docker.io/acme/*', 'snapshot', '--adopted'])
    assert.match(again.stderr, /^error: docker\.io\/acme\/\* names no repository that waits to be signed here\n/)
    assert.equal(again.code, 1)
    const signed = (gun: string, targets: number): string =>
      row(gun, 'as before', targets).replace(/\S+ \(.*/, 'signed here')
    const counted = '2 repositories: 2 as before'
    await prints([APP, WEB], [HEAD.replace('STATE   ', 'STATE     '), signed(APP, 3), signed(WEB, 2), counted])
    await there.ask(signTag, { gun: WEB, tag: 'late', digest: DIGEST, size: 7 })
    await refused(
      [WEB, ...from],
      `error: ${WEB} is signed by this server: nothing from elsewhere can replace it, such as targets version 3\n` +
        'hint: publishers now publish to this server; what they have published elsewhere since is not here\n',
      2,
    )
    assert.doesNotMatch(await on(here, `repo show ${APP}`), /warning|elsewhere/)
    assert.doesNotMatch(await on(here, 'expiry'), /timestamp/)
    assert.match(await here.checked(), /: sound\n$/)
  })

  test('adoption works with no server running', async () => {
    await on(here, `repo delete ${WEB} --yes`)
    await server.end()
    const lost = `warning: ${WEB}: clients that have root version 2 cached, which was deleted here, must forget ${WEB}`
    await prints([WEB], [HEAD, row(WEB, 'adopted', 3), lost, NEXT, rotate(WEB)])
  })
})
