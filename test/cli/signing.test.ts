import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { removePolicy } from '../../src/admin/policies.ts'
import { listRootKeys } from '../../src/admin/root-keys.ts'
import { removeTag, signManyTags, signTag } from '../../src/admin/tags.ts'
import { createRepositories } from '../support/owner.ts'
import { steady, Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'
const ONE = `sha256:${'1'.repeat(64)}`
const TWO = `sha256:${'2'.repeat(64)}`

/** Replaces what differs in each run: ids, also shortened to twelve digits, times, request ids and public keys. */
const shown = (text: string): string =>
  steady(text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'YYYY-MM-DDTHH:MM:SSZ'))
    .replace(/-----BEGIN PUBLIC KEY-----[^]*-----END PUBLIC KEY-----/g, 'PEM')
    .replace(/ {2}\([0-9a-f-]{36}\)/g, '')

describe('repositories that the server signs, on the command line', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
    await writeFile(terminal.path('pass'), 'a passphrase for root\n', { mode: 0o600 })
    await writeFile(terminal.path('list'), `# what CI built\nv2 ${TWO} 20\n\nv3 ${TWO} 20\n`, { mode: 0o600 })
  })
  after(() => terminal.close())

  async function prints(command: string, expected: string | RegExp, code = 0): Promise<void> {
    const { stdout, stderr, code: ended } = await terminal.run(command.split(' '))
    if (typeof expected === 'string') assert.equal(shown(stdout + stderr), expected, command)
    else assert.match(shown(stdout + stderr), expected, command)
    assert.equal(ended, code, command)
  }

  test('repo create makes the root key at its first use', async () => {
    await prints('root list', 'no root keys\n')
    await prints(
      `repo create ${GUN} --passphrase-file pass --dry-run`,
      `would create ${GUN}\nwould make the root key root\n`,
    )
    assert.deepEqual(await terminal.ask(listRootKeys, {}), [])
    await prints(
      `repo create ${GUN} --root-key nobody --dry-run`,
      'error: there is no root key nobody\n' +
        'hint: "countersign root list" prints all; "countersign root create nobody" makes one\n',
      1,
    )
    await prints(
      `repo create ${GUN} --passphrase-file pass`,
      `created ${GUN}; sign a tag: countersign tag sign ${GUN} TAG\n` +
        'made the root key root: keep its passphrase, and a copy of it ("countersign root export root FILE")\n',
    )
    // docker's short names are full names here, and docker never asks for them, so there is a warning.
    for (const [short, name] of [
      ['alpine', 'docker.io/library/alpine'],
      ['constructor', 'docker.io/library/constructor'],
      ['acme/app', 'docker.io/acme/app'],
    ] as const) {
      await prints(
        `repo create ${short} --passphrase-file pass --dry-run`,
        `would create ${short}\nwarning: docker looks for it under ${name}, not under ${short}\n`,
      )
    }
    for (const name of [`${GUN}:v1`, 'docker.io/acme/App']) {
      await prints(
        `repo create ${name} --passphrase-file pass --dry-run`,
        `would create ${name}\nwarning: docker has no repositories named like ${name}: names are lower case, without a tag\n`,
      )
    }
    for (const dryRun of ['', ' --dry-run']) {
      await prints(
        `repo create ${GUN} --passphrase-file pass${dryRun}`,
        `error: the repository ${GUN} already exists\n`,
        2,
      )
    }
    await prints(
      'repo create docker.io/acme/two --passphrase-file list',
      'error: the passphrase does not open the root key root\n',
      2,
    )
    await prints(
      'repo create docker.io/acme/two --wildcard docker.io/other/* --passphrase-file pass',
      'error: docker.io/other/* does not name docker.io/acme/two\nhint: write it like docker.io/acme/*\n',
      2,
    )
  })

  test('tag signs one or many tags and removes them', async () => {
    await prints(`tag list ${GUN}`, 'no signed tags\n')
    await prints(`tag sign ${GUN} v1 ${ONE} 10 --dry-run`, `would do: signed ${GUN}:v1 (targets)\n`)
    await prints(`tag sign ${GUN} v1 ${ONE} 10`, `signed ${GUN}:v1 (targets)\n`)
    await prints(`tag sign ${GUN} v1 ${ONE} 10`, 'already up to date: nothing to do\n')
    await prints(`tag sign ${GUN} --from list`, `signed 2 tags of ${GUN} (targets)\n`)
    await prints(`tag remove ${GUN} v3`, `no longer signs ${GUN}:v3 (targets)\n`)
    await prints(
      `tag list ${GUN}`,
      `TAG  DIGEST                                                                   SIZE  SIGNED BY
v1   sha256:ID  10    targets
v2   sha256:ID  20    targets
`,
    )
    await prints(
      `tag sign ${GUN} v1 ${ONE}`,
      'error: a digest needs the size of its manifest\nhint: give both; or give neither, to look them up in the registry\n',
      2,
    )
    await prints(`tag sign ${GUN} --from pass`, 'error: line 1 of pass is not "TAG DIGEST SIZE"\n', 2)
    await prints(
      `tag sign docker.io/acme/none v1 ${ONE} 10`,
      'error: there is no repository docker.io/acme/none\n' +
        'hint: "countersign repo list" prints all names; "countersign repo create docker.io/acme/none" makes one that the server signs\n',
      1,
    )
    await prints(`tag remove ${GUN}:v1 v1`, new RegExp(`\nhint: names have no tag: ${GUN}\n$`), 1)
  })

  test('signers and tag policies are managed; from here on with a running server', async () => {
    await terminal.host()
    const how = `signer ci, key ID

PEM

The owner of a repository puts these lines into ci.pem and types:
  docker trust signer add --key ci.pem ci REPOSITORY
In one that the server signs:
  countersign delegation add REPOSITORY ci
From then on:
  countersign tag sign --as ci REPOSITORY TAG
`
    await prints('signer list', 'no signers\n')
    await prints('signer create ci --dry-run', 'would do: signer ci, a new key\n')
    await prints('signer create ci', how)
    await prints('signer rotate ci --dry-run --json', /"keyIds": \[\n +"ID"\n[^]*"publicKey": ""/)
    await prints('signer rotate ci --dry-run', 'would do: signer ci, a new key beside ID\n')
    const finish = 'To give the old key up (docs/ROTATION.md says when):\n  countersign signer rotate ci --finish\n'
    await prints('signer rotate ci', how.replace('key ID', 'keys ID ID') + finish)
    await prints('signer rotate ci --finish --dry-run', 'would do: signer ci signs with key ID only\n')
    await prints('signer list', /^SIGNER {2}KEY ID\nci +ID ID\n$/)
    await prints('signer rotate ci --finish', 'signer ci signs with key ID only\n')
    await prints(
      `tag sign ${GUN} v9 ${ONE} 10 --as ci`,
      `error: ${GUN} does not let ci sign this\nhint: add it: countersign delegation add ${GUN} ci\n`,
      2,
    )
    await prints('policy list', 'no rules: everybody may have signed what their grants allow\n')
    await prints(
      'policy set signer:ci --rule docker.io/acme/*:v*:checked=10 reg.example:5000/*:*:move',
      `WHO        REPOSITORIES        TAGS  EXISTING      SEEN IN REGISTRY
signer:ci  docker.io/acme/*    v*    stay          within 10 min
signer:ci  reg.example:5000/*  *     may be moved  -
`,
    )
    await prints(
      'policy set user:alicf --rule *:*',
      `WHO         REPOSITORIES  TAGS  EXISTING  SEEN IN REGISTRY
user:alicf  *             *     stay      -
warning: there is no user alicf: "countersign user list" prints all
`,
    )
    await prints(
      'policy set token:ci --rule *:* --dry-run',
      /\nwarning: there is no token ci: "countersign token list"/,
    )
    await prints('policy set certificate:ci --rule *:* --dry-run', /\nwarning: there is no user ci: /)
    await prints('policy show user:alicf', /^WHO .*\nuser:alicf  [^]*-\n$/)
    await prints('policy remove user:alicf', 'no rules for user:alicf any more\n')
    await terminal.ask(removePolicy, { subject: 'signer:ci' })
    await prints('signer remove ci', 'removed the signer ci; owners of repositories remove it too\n')
  })

  test('delegations are added, listed and removed', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(terminal.path('alice.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
    await writeFile(terminal.path('alice.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const add = `delegation add ${GUN} alice`
    await prints(`${add} nowhere.pub`, /^error: cannot read nowhere.pub/, 2)
    await prints(
      `${add} alice.key`,
      /^error: alice.key: this is a private key: nobody but its owner may have it\nhint: /,
      2,
    )
    await prints(add, /^error: there is no signer alice\nhint: for somebody else, name a file with the public key\n/, 1)
    const may = `targets/alice may sign ${GUN}, with ID\n`
    await prints(`${add} alice.pub --dry-run`, `would do: ${may}`)
    await prints(`${add} alice.pub`, may)
    await prints(`${add} alice.pub`, 'already up to date: nothing to do\n')
    const remove = `delegation remove ${GUN} alice`
    await prints(`${remove} 0123`, /^error: keyIds.0: must be a key id, or at least its first 12 digits/, 2)
    await prints(`${remove} ${'0'.repeat(12)}`, /^error: .* does not let alice sign with SHORTENED-ID\nhint: /, 1)
    await prints(remove, `targets/alice may no longer sign ${GUN}\n`)
    await prints(remove, /^error: .* does not let alice sign\nhint: /, 1)
  })

  test('key rotate plans, rotates, stages and discards', async () => {
    const plan = `Rotating the timestamp key of ${GUN}
  root version 2, signed by 1 of:
    ID root
  signed by the server with it: snapshot, timestamp
  all clients follow, whichever root they have cached
`
    await prints(`key rotate ${GUN} timestamp --plan`, plan)
    await prints(
      `key rotate ${GUN} timestamp --passphrase-file pass`,
      `rotated the timestamp key of ${GUN}: root version 2\n`,
    )
    await prints(
      `key rotate ${GUN} snapshot --stage`,
      `the next root of ${GUN} waits for signatures; until then nothing changes: countersign root show ${GUN}\n`,
    )
    await prints(
      `root show ${GUN}`,
      `Root version 3 of ${GUN} waits for signatures
  for      a new snapshot key
  staged   YYYY-MM-DDTHH:MM:SSZ by local
  of the root in force: 1 of these keys
    ID root: not yet
  of the new root itself: 1 of these keys
    ID root: not yet
next: countersign root sign ${GUN}
with a key that is elsewhere: countersign root show ${GUN} --out FILE
`,
    )
    for (const role of ['targets', 'root --renew']) {
      const { code, stdout } = await terminal.run(`key rotate ${GUN} ${role} --dry-run --json`.split(' '))
      const [plan] = JSON.parse(stdout) as { obstacles: string[] }[]
      const first = `"countersign root sign ${GUN}" or "countersign root discard ${GUN}" first`
      assert.deepEqual(
        [code, plan?.obstacles],
        [1, [`a root is already waiting for signatures, a new snapshot key: ${first}`]],
        'the plan warns of it',
      )
    }
    await prints(
      `key rotate ${GUN} targets --passphrase-file pass`,
      `error: a root of ${GUN} is already waiting for signatures: a new snapshot key\n` +
        `hint: "countersign root sign ${GUN}" or "countersign root discard ${GUN}" first\n`,
      2,
    )
    await prints(
      'root waiting',
      `REPOSITORY          ROOT  SINCE       BY     STILL TO SIGN  FOR
${GUN}  3     YYYY-MM-DD  local  root           a new snapshot key
`,
    )
    await prints('root waiting docker.io/nobody/*', 'no root of docker.io/nobody/* waits for signatures\n')
    for (const command of ['root waiting', 'root sign --all --passphrase-file pass']) {
      await prints(
        `${command} docker.io/acme*`,
        `error: "docker.io/acme*" is not a repository pattern\nhint: write docker.io/acme/app, docker.io/acme/*, or *\n`,
        2,
      )
    }
    const signed = (state: string): string => `REPOSITORY          STATE${' '.repeat(state.length - 3)}ROOT
${GUN}  ${state}  3
`
    const all = `root sign docker.io/* --all --passphrase-file pass`
    await prints(`${all} --dry-run`, signed('would be published'))
    await prints(all, signed('published'))
    await prints(all, 'no root of docker.io/* waits for signatures\n')
    await prints(
      `key rotate ${GUN} targets --stage`,
      `the next root of ${GUN} waits for signatures; until then nothing changes: countersign root show ${GUN}\n`,
    )
    await prints(`root discard ${GUN} --dry-run`, `would do: no root of ${GUN} waits any more\n`)
    await prints(`root discard ${GUN}`, `no root of ${GUN} waits any more\n`)
    await prints(
      `key rotate ${GUN} root --passphrase-file pass`,
      'error: choose the root keys to use from now on\n' +
        'hint: --root-key NAME for other keys ("countersign root create NAME"), --renew for new certificates of the same keys\n',
      2,
    )
    await createRepositories(terminal, 'pass', 'docker.io/acme/second')
    await prints(
      'key rotate docker.io/acme/* timestamp --all --passphrase-file pass',
      `REPOSITORY             STATE    ROOT
docker.io/acme/app     rotated  4
docker.io/acme/second  rotated  2
2 repositories: 2 rotated
`,
    )
    for (const command of ['key rotate docker.io/acme/* timestamp', 'root sign docker.io/acme/*']) {
      await prints(command, 'error: docker.io/acme/* names many repositories\nhint: add --all\n', 2)
    }
    await prints(
      'key rotate docker.io/acme/* targets --all --stage',
      `REPOSITORY             STATE                 ROOT
docker.io/acme/app     waits for signatures
docker.io/acme/second  waits for signatures
2 repositories: 2 waits for signatures
hint: "countersign root waiting" lists the roots that wait, and who has to sign them
`,
    )
    await prints(all, /second {2}published/)
    await prints('repo list docker.io/acme/second', /^REPOSITORY .+\ndocker\.io\/acme\/second .+\n$/)
    const below = "those below it are 'docker.io/acme/*'"
    await prints('repo list docker.io/acme', `docker.io/acme names no repository; ${below}\n`)
    await prints('repo list docker.io/none/*', 'docker.io/none/* names no repository\n')
  })

  test('a pattern that matches no repository is reported by every command', async () => {
    const [hint, none] = [
      'hint: "countersign repo list" prints all names\n',
      'key rotate docker.io/none/* targets --all',
    ]
    for (const more of ['', ' --plan', ' --json', ' --plan --json'])
      await prints(`${none}${more}`, `error: docker.io/none/* names no repository\n${hint}`, 1)
    await prints(
      'key rotate docker.io/acme targets --all',
      `error: docker.io/acme names no repository\nhint: those below it are 'docker.io/acme/*'; "countersign repo list" prints all names\n`,
      1,
    )
    await prints(
      'key rotate *acme targets --all',
      'error: "*acme" is not a repository pattern\nhint: write docker.io/acme/app, docker.io/acme/*, or *\n',
      2,
    )
  })

  test('audit, find and expiry print who did what, where a digest is signed, and what expires', async () => {
    await prints(
      `find ${ONE}`,
      `IMAGE                  SIGNED BY  SINCE                     UNTIL  WHO
docker.io/acme/app:v1  targets    YYYY-MM-DDTHH:MM:SSZ  now    local
`,
    )
    await prints(`find sha256:${'9'.repeat(64)}`, 'never signed here\n', 1)
    const gone = `sha256:${'8'.repeat(64)}`
    await terminal.ask(signTag, { gun: GUN, tag: 'v8', digest: gone, size: 8 })
    await terminal.ask(removeTag, { gun: GUN, tag: 'v8' })
    const signedOnce = await terminal.run(['find', gone])
    assert.match(signedOnce.stdout, / {2}\d{4}-\S+Z {2}\d{4}-\S+Z {2}local\n/)
    assert.doesNotMatch(signedOnce.stdout, / now /)
    assert.equal(signedOnce.code, 1)
    await prints(
      `audit --digest ${ONE}`,
      `5  YYYY-MM-DDTHH:MM:SSZ  publish  ${GUN}  by local
    targets 2, signed by SHORTENED-ID
    snapshot 2, signed by SHORTENED-ID
    timestamp 2, signed by SHORTENED-ID
    v1: nothing -> sha256:SHORTENED-ID (targets)
`,
    )
    const digest = (index: number): string => `sha256:${'a'.repeat(62)}${index + 10}`
    const many = Array.from({ length: 25 }, (_, index) => ({ tag: `many${index}`, digest: digest(index), size: 1 }))
    await terminal.ask(signManyTags, { gun: GUN, set: many })
    const { stdout: newest } = await terminal.run(['audit', '--limit', '1'])
    assert.match(newest, /^ {4}many19: [^]*\n {4}and 5 other changes: --json has all\n$/m)
    const { stdout: one } = await terminal.run(['audit', '--digest', digest(24)])
    assert.match(one, /timestamp \d+, .*\n {4}many24: .*\n {4}and 24 other changes: --json has all\n$/)
    const numbersOf = async (...more: string[]): Promise<number[]> => {
      const { stdout } = await terminal.run(['audit', '--json', ...more])
      const lines = stdout.trimEnd().split('\n')
      return lines.map((line) => (JSON.parse(line) as { number: number }).number)
    }
    const numbers = await numbersOf()
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, index) => index + 1),
    )
    assert.deepEqual(await numbersOf('--limit', '2'), numbers.slice(-2))
    for (const [option, hint] of [
      ['--since 2026-11-24', 'since: must look like 2026-11-24T00:00:00Z'],
      ['--until yesterday', 'until: must look like 2026-11-24T00:00:00Z'],
      ['--actor alice', 'actor: must look like user:alice, token:ci, local'],
      ['--kind tag', 'kind: must be one of publish, renew, key, delete, record, clock'],
    ] as const) {
      await prints(`audit ${option}`, `error: ${hint}\n`, 2)
    }
    for (const [command, option, argument, takes] of [
      ['audit', '--limit <n>', '2.5', '1 or more'],
      ['audit --json', '--limit <n>', '0', '1 or more'],
      ['expiry', '--days <days>', 'x', '0 to 36500'],
      [`repo create ${GUN}`, '--root-threshold <n>', 'abc', '1 or more'],
      [`key rotate ${GUN} root`, '--root-threshold <n>', '-1', '1 or more'],
    ] as const) {
      await prints(
        `${command} ${option.split(' ')[0] ?? ''} ${argument}`,
        `error: option '${option}' argument '${argument}' is invalid. It takes a whole number, ${takes}.\n` +
          'hint: add --help for usage\n',
        2,
      )
    }
    const rows = JSON.parse((await terminal.run(['expiry', '--json', '--days', '4000'])).stdout) as {
      what: string
      ends: string
    }[]
    assert.ok(rows.some(({ what }) => what === 'server certificate'))
    await prints('expiry --days 1', 'nothing ends within 1 day\n')
  })
})
