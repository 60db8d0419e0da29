import assert from 'node:assert/strict'
import { chmod, copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { ecKeys, makeCertificate, pemOf } from '../tuf/certificate-maker.ts'
import { steady, Terminal, type Printed } from './terminal.ts'

/** Its last blank is part of it, unlike a line break. */
const PASSWORD = 'correct horse battery '
const ALICE_EXISTS =
  'error: the user alice already exists\n' +
  'hint: "countersign user set" changes what they may do, "countersign user password" their password\n'
const ALL_USERS = '"countersign user list" prints all names'

/** Replaces what differs in each run: ids and tokens, too. */
const shown = (text: string): string =>
  steady(text)
    .replace(/cs_[0-9a-f]{16}_[\w-]{43}/g, 'TOKEN-TEXT')
    .replace(/\b[0-9a-f]{16}\b/g, 'SIXTEEN-HEX-ID..')

describe('users and tokens on the command line', () => {
  let terminal: Terminal
  const typed: string[][] = []

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
    await writeFile(terminal.path('password'), `${PASSWORD}\r\n`, { mode: 0o600 })
  })
  after(() => terminal.close())

  async function type(...args: string[]): Promise<Printed> {
    typed.push(args)
    return terminal.run(args)
  }

  /** Runs a command and compares everything it prints. */
  async function prints(command: string, expected: string, code = 0): Promise<void> {
    const { stdout, stderr, code: ended } = await type(...command.split(' '))
    assert.equal(shown(stdout + stderr), expected, command)
    assert.equal(ended, code, command)
  }

  test('users, tokens and passwords are managed with a running server', async () => {
    const server = await terminal.host()
    await prints('user list', 'no users\n')
    await prints('token list', 'no tokens\n')
    await prints(
      'user add alice --allow read,sign:docker.io/acme/* rotate:docker.io/acme/app --password-file password',
      'added user alice, who may: read,sign:docker.io/acme/* rotate:docker.io/acme/app\n',
    )
    await prints(
      'user add bob --no-password --password-file pass --dry-run',
      'error: use either --password-file or --no-password\n',
      2,
    )
    await prints('user add bob --no-password --dry-run', 'would do: added user bob, who may: nothing\n')
    await prints('user add build --allow sign,sign:* --no-password', 'added user build, who may: sign:*\n')
    await prints(
      'user list',
      [
        'USER   LOGIN        MAY',
        'alice  password     read,sign:docker.io/acme/* rotate:docker.io/acme/app',
        'build  no password  sign:*',
        '',
      ].join('\n'),
    )
    await prints('user add alice --no-password', ALICE_EXISTS, 2)
    await prints(
      'user set alice --allow read:docker.io/acme/* --disable',
      'changed user alice, who may: read:docker.io/acme/* (disabled)\n',
    )
    const { stdout } = await type('user', 'list')
    assert.match(stdout, /^alice {2}disabled {5}read:docker\.io\/acme\/\*$/m)
    // Only --enable does that.
    await prints('user password alice --password-file password', 'changed the password of alice\n')
    const disabled = 'changed user alice, who may: read:docker.io/acme/* (disabled)\n'
    await prints('user set alice --allow read:docker.io/acme/*', disabled)
    await prints('user set alice --enable', 'changed user alice, who may: read:docker.io/acme/*\n')
    await prints('user set alice', 'error: use --allow, --disable or --enable\n', 2)
    await prints('user set alice --disable --enable', 'error: use either --disable or --enable\n', 2)
    await prints('user set nobody --disable', `error: there is no user nobody\nhint: ${ALL_USERS}\n`, 1)
    await prints('user password alice --password-file password', 'changed the password of alice\n')
    await chmod(terminal.path('password'), 0o444)
    await prints(
      'user password alice --password-file password',
      'changed the password of alice\nwarning: anyone can read password: chmod 600 password\n',
    )
    await copyFile(terminal.path('password'), terminal.path('my password'))
    const { stderr } = await type('user', 'password', 'alice', '--password-file', 'my password')
    assert.equal(stderr, "warning: anyone can read my password: chmod 600 'my password'\n")
    await chmod(terminal.path('password'), 0o600)
    await prints(
      'user password alice',
      'error: there is no terminal to ask for the new password of alice\nhint: use --password-file FILE\n',
      2,
    )
    // Known before anybody is asked for a password.
    await prints('user password alcie', `error: there is no user alcie\nhint: ${ALL_USERS}\n`, 1)
    await prints('user add alice', ALICE_EXISTS, 2)
    await writeFile(terminal.path('umlaut'), 'm\u00fcnchen am meer', { mode: 0o600 })
    await prints('user password alice --password-file umlaut', 'changed the password of alice\n')
    // Nobody could type what these would decode to.
    for (const content of [Buffer.from('m\xfcnchen am meer', 'latin1'), '\uFEFFafter a mark']) {
      await writeFile(terminal.path('odd'), content, { mode: 0o600 })
      await prints(
        'user password alice --password-file odd',
        'error: odd holds text that cannot be typed: it is not UTF-8, or has a byte order mark\n' +
          'hint: save it as plain text in UTF-8\n',
        2,
      )
    }
    await prints(
      'user add UPPER --no-password',
      'error: that is not a valid name\nhint: 1 to 64 of a-z, 0-9, ".", "_", "-", "@", "$", "+", beginning and ending with a letter or digit; not "token"\n',
      2,
    )
    await prints('user add robot$team+ci --no-password', 'added user robot$team+ci, who may: nothing\n')
    await prints('user set robot$team+ci --disable', 'changed user robot$team+ci, who may: nothing (disabled)\n')
    await prints(
      'policy set user:robot$team+ci --rule *:v* --dry-run',
      'would do: WHO                 REPOSITORIES  TAGS  EXISTING  SEEN IN REGISTRY\n' +
        'user:robot$team+ci  *             v*    stay      -\n',
    )
    await prints('user remove robot$team+ci', 'removed user robot$team+ci\n')
    await prints(
      'user add x --no-password --allow everything:*',
      'error: "everything:*" is not a valid grant\nhint: write ACTIONS:PATTERN, as in read,sign:docker.io/acme/*; actions are read, sign, rotate, delete, admin\n',
      2,
    )
    await prints(
      'token create ci --allow read:docker.io/acme/app --owner alice --days 30',
      [
        'created token ci, which may: read:docker.io/acme/app',
        'it ends at YYYY-MM-DD (N days)',
        '',
        'TOKEN-TEXT',
        '',
        'Keep it safe: it is not shown again.',
        '',
      ].join('\n'),
    )
    await prints(
      'token create more --allow sign:docker.io/acme/app --owner alice',
      'error: user:alice may not do all of sign:docker.io/acme/app\nhint: a token may do only what both its creator and its owner may do\n',
      2,
    )
    await prints(
      'token create forever --allow admin:* --no-end --dry-run',
      'would do: created token forever, which may: admin:*\n',
    )
    for (const days of ['soon', '3651'])
      await prints(
        `token create odd --allow read:* --days ${days}`,
        `error: option '--days <days>' argument '${days}' is invalid. It takes a whole number, 1 to 3650.\nhint: add --help for usage\n`,
        2,
      )
    await prints('token create odd --allow read:* --days 30 --no-end', 'error: use either --days or --no-end\n', 2)
    await prints('token revoke ci --dry-run', 'would do: revoked token ci (SIXTEEN-HEX-ID..)\n')
    // The token itself, as it was found in a log, say.
    const [{ id = '' } = {}] = JSON.parse((await type('token', 'list', '--json')).stdout) as { id?: string }[]
    const found = `token revoke cs_${id}_${'x'.repeat(43)} --dry-run`
    await prints(found, 'would do: revoked token ci (SIXTEEN-HEX-ID..)\n')
    await prints('user remove alice', 'removed user alice, revoked 1 token\n')
    await prints('user remove build', 'removed user build\n')
    await prints('user remove build', `error: there is no user build\nhint: ${ALL_USERS}\n`, 1)
    // Repeated, as after a lost answer.
    await prints('token revoke ci', 'error: the token ci is already revoked\n', 1)
    await prints(`token revoke ${id}`, 'error: the token SIXTEEN-HEX-ID.. is already revoked\n', 1)
    await prints('token revoke cj', 'error: there is no such token\nhint: "countersign token list" prints all\n', 1)
    await server.end()
  })

  test('users and tokens are managed with a stopped server', async () => {
    const tokens = [
      'TOKEN  ID                OWNER  ENDS     MAY',
      'ci     SIXTEEN-HEX-ID..  alice  revoked  read:docker.io/acme/app',
      '',
    ]
    await prints('token list', tokens.join('\n'))
    await prints('user add alice --allow read:* --password-file password', 'added user alice, who may: read:*\n')
    await prints('user password alice --password-file password', 'changed the password of alice\n')
    await prints('user set nobody --disable', `error: there is no user nobody\nhint: ${ALL_USERS}\n`, 1)
    await prints('user remove alice', 'removed user alice\n')
  })

  test('--json has the same content, without hashes', async () => {
    const made = JSON.parse((await type('token', 'create', 'json', '--allow', 'read:a/*', '--json')).stdout) as Record<
      string,
      unknown
    >
    assert.deepEqual(Object.keys(made), ['id', 'name', 'owner', 'grants', 'expires', 'revoked', 'createdAt', 'token'])
    const rehearsed = await type('token', 'create', 'other', '--allow', 'read:a/*', '--json', '--dry-run')
    assert.equal((JSON.parse(rehearsed.stdout) as { token: string | null }).token, null)
    await type('user', 'add', 'carol', '--password-file', 'password', '--json')
    const users = JSON.parse((await type('user', 'list', '--json')).stdout) as { createdAt: number }[]
    assert.deepEqual(users.map(Object.keys), [['name', 'hasPassword', 'grants', 'disabled', 'createdAt']])
    // By this time, tokens of an earlier user of the same name are recognised.
    const createdAt = users[0]?.createdAt ?? 0
    assert.ok(createdAt > Date.now() - 600_000 && createdAt <= Date.now())
  })

  test('the journal is sound, names the actor, and holds no password', async () => {
    assert.match(await terminal.checked(), /sound/)
    assert.ok(!typed.flat().includes(PASSWORD))
  })

  test('after the command line has added a first user, the server asks for credentials', async () => {
    const server = await terminal.serve([], { COUNTERSIGN_ACCESS_MODE: 'built-in' })
    await terminal.run(['user', 'add', 'dave', '--allow', 'read:*', '--password-file', 'password'])
    assert.equal((await exchange(server, { path: '/v2/' })).status, 401)
    const authorization = `Basic ${Buffer.from(`dave:${PASSWORD}`).toString('base64')}`
    const { status } = await exchange(server, { path: '/auth/token', headers: { authorization } })
    assert.equal(status, 200)
    await server.end()
    const log = server.stdout + server.stderr
    assert.doesNotMatch(log, new RegExp(`${PASSWORD}|${authorization}|eyJ|cs_`))
    assert.match(log, /"actor":"user:dave"/)
  })
})

test('only its owner can read what a command writes with a stopped server', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  // Others may read the directory itself, as when a service manager or a container makes it.
  await mkdir(terminal.path('data'), { mode: 0o755 })
  await (await terminal.host()).end()
  assert.equal((await terminal.run(['user', 'add', 'alice', '--no-password'])).code, 0)
  for (const name of await readdir(terminal.path('data'))) {
    const { mode } = await stat(terminal.path('data', name))
    assert.equal((mode & 0o077).toString(8), '0', name)
  }
})

describe('invalid access settings', () => {
  let terminal: Terminal
  before(async () => {
    terminal = await Terminal.open()
    const garbage = '-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n'
    await writeFile(terminal.path('garbage.pem'), garbage)
    const whole = pemOf(makeCertificate({ keys: ecKeys(), names: ['CA'], ca: true }))
    await writeFile(terminal.path('half-written.pem'), `${whole}${whole.slice(0, whole.length / 2)}`)
  })
  after(() => terminal.close())

  test('all mistakes are named, each by its variable', async () => {
    const mistakes: Record<string, [value: string, said: RegExp]> = {
      ACCESS_REALM: ['http://auth.example/token', /COUNTERSIGN_ACCESS_REALM: must be a URL/],
      ACCESS_TOKEN_LIFE_SECONDS: ['30', /COUNTERSIGN_ACCESS_TOKEN_LIFE_SECONDS/],
      ACCESS_PUBLIC_READS: ['yes', /COUNTERSIGN_ACCESS_PUBLIC_READS/],
      ADMIN_PUBLIC: ['true', /COUNTERSIGN_ADMIN_PUBLIC: .*admin-api-on-the-public-listener/],
      ACCESS_CLIENT_CERTIFICATES_USERS: ['alice', /COMMON NAME=USER/],
    }
    const environment = Object.entries(mistakes).map(([name, [value]]) => [`COUNTERSIGN_${name}`, value])
    const { code, stderr } = await terminal.run(['serve'], Object.fromEntries(environment) as Record<string, string>)
    for (const [, expected] of Object.values(mistakes)) assert.match(stderr, expected)
    assert.doesNotMatch(stderr, /\n\s+at /)
    assert.equal(code, 2)
  })

  for (const [what, settings, expected] of [
    [
      'external without anything',
      { ACCESS_MODE: 'external' },
      /access\.realm: .*\n.*access\.issuer: .*\n.*jwksFile, .*give one/,
    ],
    ['a realm with a quote', { ACCESS_REALM: 'https://auth.example/"' }, /COUNTERSIGN_ACCESS_REALM: must be a URL/],
    [
      'no name for clients',
      { ACCESS_MODE: 'built-in', LISTEN_HOST: '0.0.0.0' },
      /access\.realm: "0\.0\.0\.0" is not a name/,
    ],
    [
      'a CA file that is not there',
      { ACCESS_CLIENT_CERTIFICATES_CA_FILE: 'nowhere' },
      /cannot read nowhere: ENOENT: .*\nhint: .*caFile/,
    ],
    [
      'a CA file that holds no certificate',
      { ACCESS_CLIENT_CERTIFICATES_CA_FILE: 'garbage.pem' },
      /garbage\.pem holds something that is not a certificate\nhint: .*caFile/,
    ],
    [
      'a CA file that somebody is writing',
      { ACCESS_CLIENT_CERTIFICATES_CA_FILE: 'half-written.pem' },
      /half-written\.pem holds something that is not a certificate\nhint: .*caFile/,
    ],
    [
      'a key set that is not there',
      { ACCESS_MODE: 'external', ACCESS_REALM: 'https://a/', ACCESS_ISSUER: 'i', ACCESS_JWKS_FILE: 'nowhere' },
      /cannot read nowhere: ENOENT: .*\nhint: .*access\.jwksFile/,
    ],
  ] as const) {
    test(what, async () => {
      const environment = Object.entries(settings).map(([name, value]) => [`COUNTERSIGN_${name}`, value])
      const refusal = await terminal.refusal(Object.fromEntries(environment) as Record<string, string>)
      assert.match(refusal, expected)
    })
  }

  test('with authentication the server listens beyond loopback', async () => {
    const server = await terminal.host({
      COUNTERSIGN_ACCESS_MODE: 'built-in',
      COUNTERSIGN_LISTEN_HOST: '0.0.0.0',
      COUNTERSIGN_ACCESS_REALM: 'https://localhost:4443/auth/token',
    })
    const there = { ...server, url: server.url.replace('0.0.0.0', 'localhost') }
    assert.equal((await exchange(there, { path: '/v2/' })).status, 401)
    await server.end()
  })
})
