import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { createRepositories } from '../support/owner.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'
import { until } from '../support/until.ts'
import { Terminal, type Started } from './terminal.ts'

const [ONE, TWO] = ['example.org/one', 'example.org/two']

describe('keys that are in no token that the server has', { skip }, () => {
  let token: SoftToken
  let terminal: Terminal
  /** Settings that name the token. */
  let custody: Record<string, string>

  before(async () => {
    token = await SoftToken.create()
    terminal = await Terminal.open()
    await writeFile(terminal.path('pass'), 'correct horse battery', { mode: 0o600 })
    const { library, tokenLabel = '', pinFile } = token.settings
    custody = {
      ...token.environment,
      COUNTERSIGN_SIGNERS_PKCS11_LIBRARY: library,
      COUNTERSIGN_SIGNERS_PKCS11_TOKEN_LABEL: tokenLabel,
      COUNTERSIGN_SIGNERS_PKCS11_PIN_FILE: pinFile,
      COUNTERSIGN_SIGNERS_PKCS11_ANSWER_SECONDS: '2',
      COUNTERSIGN_SIGNERS_RULES: '[{ "role": "*", "signer": "pkcs11" }]',
    }
    const server = await terminal.serve(['--quiet'], custody)
    await createRepositories(terminal, 'pass', ONE, TWO)
    assert.equal((await terminal.run(['signer', 'create', 'ci'])).code, 0)
    assert.equal((await terminal.run(['delegation', 'add', ONE, 'ci'])).code, 0)
    // What the first look finds anyway.
    assert.equal((await terminal.run(['token', 'create', 'job', '--allow', 'read:*', '--days', '9'])).code, 0)
    await server.end()
  })
  after(async () => {
    await terminal.close()
    await token.remove()
  })

  const get = async (server: Started, path: string): Promise<string> => {
    const { status, body } = await exchange(server, { path })
    return `${status} ${body.toString()}`
  }
  /** Waits until the first look for lost keys is over. @returns how many repositories and signers it found */
  const counted = async (server: Started): Promise<number> => {
    const over = /^countersign_ending_within_60_days\{what="token"\} 1$/m
    await until('the first look', async () => over.test(await get(server, '/metrics')))
    await server.end()
    const [told, ...more] = server.log.filter(({ msg }) => msg === 'keys are missing')
    assert.deepEqual(more, [])
    return told === undefined ? 0 : Number(told['others']) + 1
  }
  const shown = (why: string): RegExp =>
    new RegExp(
      ['targets', 'snapshot', 'timestamp', 'targets/ci']
        .map((role) => `warning: the server cannot use the ${role} key SHORTENED-ID: ${why}\n`)
        .join('')
        .replace(/^/, `^${ONE}\n\n`)
        .concat('\nRoles\n[^]*  timestamp  2 .* SHORTENED-ID ecdsa \\(server, unusable\\)\n')
        .concat('\nDelegations\n[^]*  targets/releases  .* SHORTENED-ID ecdsa \\(server, unusable\\) '),
    )

  test('a server whose settings name no token says so after its start, and is ready', async () => {
    const why = 'it is in a PKCS#11 token, and the settings name none (signers.pkcs11)'
    const server = await terminal.serve(['--quiet'])
    await server.says('keys are missing')
    const told = server.log.find(({ msg }) => msg === 'keys are missing')
    assert.deepEqual(
      [told?.['level'], told?.['gun'], told?.['reason'], told?.['others']],
      ['error', ONE, `the targets key cannot be used: ${why}`, 2],
    )
    await until('the count', async () =>
      /^countersign_ended\{what="missing keys"\} 3$/m.test(await get(server, '/metrics')),
    )
    assert.equal(await get(server, '/healthz/ready'), '200 {}')
    const rows = `ENDS        DAYS  REPOSITORY       WHAT                       THEN
YYYY-MM-DD  0     ${ONE}  missing keys               the targets key cannot be used: ${why}; if it is lost: countersign key rotate ${ONE} server-managed
YYYY-MM-DD  0     ${TWO}  missing keys               the targets key cannot be used: ${why}; if it is lost: countersign key rotate ${TWO} server-managed
YYYY-MM-DD  0     (server)         missing keys of signer ci  the key SHORTENED-ID cannot be used: ${why}; if it is lost: countersign signer rotate ci
`
    await terminal.prints('expiry --days 0', rows)
    const pattern = shown(why.replace(/[()#]/g, '\\$&'))
    await terminal.prints(`repo show ${ONE}`, pattern)
    await server.end()
    await terminal.prints(`repo show ${ONE}`, pattern)
  })

  test('a token that is away or hangs has lost nothing; its keys cannot be used now', async () => {
    await token.takeAway()
    assert.equal(await counted(await terminal.serve(['--quiet'], custody)), 0)
    await token.putBack()
    const server = await terminal.serve(['--quiet'], custody)
    await terminal.prints(`repo show ${ONE}`, /^example\.org\/one\n\nRoles\n(?:(?!unusable)[^])*$/)
    const goOn = await token.hang()
    await terminal.prints(`repo show ${ONE}`, shown('the PKCS#11 token has not answered for 2 seconds'))
    await goOn()
    await until('the token to answer', async () => (await get(server, '/healthz/ready')) === '200 {}')
    await terminal.prints(`repo show ${ONE}`, /^example\.org\/one\n\nRoles\n/)
    assert.equal(await counted(server), 0)
  })

  test('keys that another token of that label lacks are replaced as it is said', async () => {
    await token.replace()
    const server = await terminal.serve(['--quiet'], custody)
    await server.says('keys are missing')
    await terminal.prints(`repo show ${ONE}`, shown('it is not in the token; it was made in [0-9a-f]{16}'))
    const { stdout } = await terminal.run(['expiry', '--days', '0'])
    const said = [...stdout.matchAll(/ if it is lost: countersign (.*)$/gm)].map(([, command = '']) => command)
    assert.deepEqual(said, [`key rotate ${ONE} server-managed`, `key rotate ${TWO} server-managed`, 'signer rotate ci'])
    for (const command of [...said, 'signer rotate ci --finish', `delegation add ${ONE} ci`]) {
      const pass = command.startsWith('key') ? ['--passphrase-file', 'pass'] : []
      const { code, stderr } = await terminal.run([...command.split(' '), ...pass])
      assert.equal(code, 0, `${command}: ${stderr}`)
    }
    assert.equal((await terminal.run(['expiry', '--days', '0'])).stdout, 'nothing ends within 0 days\n')
    await server.end()
    assert.equal(await counted(await terminal.serve(['--quiet'], custody)), 0)
  })
})
