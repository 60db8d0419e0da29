import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, beforeEach, describe, test } from 'node:test'
import { makeBackup } from '../../src/admin/backup.ts'
import { checkStore } from '../../src/admin/check.ts'
import { pem } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import { TrustWorld, keysFrom } from '../support/trust-world.ts'
import { Terminal } from './terminal.ts'

const GUN = 'example.org/app'

/** Damaged files in the keys directory: each message, and that its advice works. */
describe('a damaged keys directory', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    const server = await terminal.host()
    const world = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
    await world.publishFirst(server)
    await terminal.ask(makeBackup, { directory: terminal.path('old') })
    await world.publish(server, 'targets')
    await world.publish(server, 'targets')
    await server.end()
    await cp(terminal.path('keys'), terminal.path('good'), { recursive: true })
  })
  beforeEach(async () => {
    await rm(terminal.path('keys'), { recursive: true })
    await cp(terminal.path('good'), terminal.path('keys'), { recursive: true })
  })
  after(() => terminal.close())

  /**
   * Asserts that start and repair refuse each of these contents, and that the file of an older backup restores the
   * server.
   */
  async function refused(
    file: string,
    contents: readonly (Buffer | string | undefined)[],
    expected: RegExp,
  ): Promise<void> {
    const path = terminal.path('keys', file)
    for (const content of contents) {
      await (content === undefined ? rm(path) : writeFile(path, content, { mode: 0o600 }))
      assert.match(await terminal.refusal(), expected)
    }
    const repaired = terminal.repair('made', { dryRun: true })
    assert.match(await terminal.refused(repaired), expected)
    await writeFile(path, await readFile(terminal.path('old', 'keys', file)), { mode: 0o600 })
    await sound()
  }

  /** Asserts that each command prints this and exits with 2. */
  async function printed(expected: RegExp): Promise<void> {
    for (const command of ['serve', 'repair made --dry-run']) {
      const { code, stdout, stderr } = await terminal.run(command.split(' '))
      assert.deepEqual([code, stdout], [2, ''], `${command}: ${stderr}`)
      assert.match(stderr, expected, command)
      assert.doesNotMatch(stderr, /\n\s+at |fault/)
    }
  }

  async function sound(): Promise<void> {
    const server = await terminal.host()
    const { repositories, commits, findings } = await terminal.ask(checkStore, {})
    assert.deepEqual([repositories, commits, findings], [1, 4, []])
    await server.end()
  }

  test('a malformed keyring is refused', async () => {
    const whole = await readFile(terminal.path('good', 'keyring.json'), 'utf8')
    const file = JSON.parse(whole) as { derivation: object; dataKeys: object; current: number }
    const damaged = /^error: keys\/keyring\.json (?:is damaged|was written .*)\nhint: .* from a backup/
    const contents = [
      whole.replace('"derivation"', '"derivatinn"'),
      whole.replace('"salt"', '"sal4"'),
      whole.replace('"current": 1', '"current": 9'),
      whole.replace('"format": 1', '"format": 9'),
      JSON.stringify({ ...file, dataKeys: null }),
      JSON.stringify({ ...file, dataKeys: { 1: 7 } }),
      'null',
    ]
    await refused('keyring.json', contents, damaged)
    // The key derivation would need 64 TiB.
    const stretched = { name: 'argon2id', salt: 'AAAAAAAAAAAAAAAAAAAAAA==', memory: 2 ** 36, passes: 3, lanes: 1 }
    await writeFile(terminal.path('keys', 'keyring.json'), JSON.stringify({ ...file, derivation: stretched }))
    await writeFile(terminal.path('pass'), 'a passphrase\n', { mode: 0o600 })
    assert.match(await terminal.refusal({ COUNTERSIGN_PASSPHRASE_FILE: 'pass' }), damaged)
    await printed(damaged)
  })

  test('a malformed or missing key file is refused', async () => {
    const expected = /^error: keys\/key-encryption-key is damaged: it holds no key\nhint: restore it from a backup/
    await refused('key-encryption-key', ['', Buffer.alloc(45), 'AAAA\n'], expected)
    const gone = /^error: cannot read keys\/key-encryption-key: ENOENT: .*\nhint: check .*, or restore it from a backup/
    await refused('key-encryption-key', [undefined], gone)
  })

  test('one wrong bit in keyring or key file looks like a wrong secret, so the hint mentions a backup, too', async () => {
    const expected = /^error: the passphrase or key file does not open keys\/keyring\.json\nhint: .* from a backup/
    for (const [file, before] of [
      ['keyring.json', '"1": "'],
      ['key-encryption-key', ''],
    ] as const) {
      const spoilt = await readFile(terminal.path('good', file))
      const at = spoilt.indexOf(before) + before.length + 7
      spoilt[at] = spoilt[at] === 0x41 ? 0x42 : 0x41
      await refused(file, [spoilt], expected)
    }
  })

  test('a damaged anchor key is refused', async () => {
    const expected =
      /^error: keys\/anchor-key does not open\nhint: restore it from a backup of any age: it never changes/
    await refused('anchor-key', ['', Buffer.alloc(64)], expected)
    const gone = /^error: cannot read keys\/anchor-key: ENOENT: .*\nhint: check .*, or restore it from a backup/
    await refused('anchor-key', [undefined], gone)
  })

  test('check reports files that were removed beside a running server', async () => {
    const server = await terminal.host()
    for (const [file, fault] of [
      [
        'keyring.json',
        /^error: cannot read \S+\/keys\/keyring\.json: .*: no server starts like that; restore it from a backup$/m,
      ],
      ['key-encryption-key', /^error: cannot read \S+\/keys\/key-encryption-key: .*: no server starts like that; /m],
      ['anchor-key', /^error: cannot read \S+\/keys\/anchor-key: .*: no server starts like that; /m],
    ] as const) {
      const path = terminal.path('keys', file)
      await rm(path)
      const { code, stdout } = await terminal.run(['check'])
      assert.equal(code, 1)
      assert.match(stdout, fault)
      await cp(terminal.path('good', file), path)
    }
    assert.match(await terminal.checked(), /: sound\n$/)
    await server.end()
  })

  test('an unsigned or missing anchor is replaced with one of a backup no newer than the data', async () => {
    const hint = 'restore the anchor from a backup that is not newer than the data'
    const unsigned = new RegExp(
      `^error: the anchor has no valid signature\nhint: check that .*keysDirectory .*, ${hint}`,
    )
    await refused('anchor', [Buffer.alloc(1024), '{}'], unsigned)
    const gone = new RegExp(`^error: .*(?:no anchor in|cannot open the anchor file) keys/anchor.*\nhint: ${hint}`)
    await refused('anchor', [undefined], gone)
  })

  test('a damaged server certificate is made again; a damaged CA has to be restored', async () => {
    await spoilPoint('server.crt')
    await sound()
    const damaged = (name: string): RegExp =>
      new RegExp(
        `^error: keys/tls/${name} is damaged: no certificate can be issued\nhint: put it back; or remove keys/tls/ca.crt: `,
      )
    for (const spoil of [spoilPoint, (name: string) => writeFile(terminal.path('keys', 'tls', name), '\0')]) {
      for (const name of ['ca.crt', 'ca.key']) {
        await cp(terminal.path('good', 'tls'), terminal.path('keys', 'tls'), { recursive: true })
        await spoil(name)
        // Nothing needs the CA yet.
        await sound()
        await rm(terminal.path('keys', 'tls', 'server.crt'))
        assert.match(await terminal.refusal(), damaged(name))
      }
    }
    await rm(terminal.path('keys', 'tls', 'ca.crt'))
    await sound()
  })

  test("a TLS key with a wrong bit is made again, or refused if it is the admin's own", async () => {
    const path = terminal.path('keys', 'tls', 'server.key')
    const key = createPrivateKey(await readFile(path))
    const secret = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url')
    const der = key.export({ format: 'der', type: 'pkcs8' })
    der[der.indexOf(secret) + 9]! ^= 1
    await writeFile(path, pem('PRIVATE KEY', der), { mode: 0o600 })
    const files = {
      COUNTERSIGN_TLS_CERTIFICATE_FILE: 'keys/tls/server.crt',
      COUNTERSIGN_TLS_KEY_FILE: 'keys/tls/server.key',
    }
    assert.match(
      await terminal.refusal(files),
      /^error: the key in keys\/tls\/server\.key is damaged: it does not sign\nhint: /,
    )
    const server = await terminal.host()
    assert.equal((await exchange(server, { path: '/healthz/ready' })).status, 200)
    await server.end()
  })

  /** Damages the public point. Uncompressed P-256 points start with 04. */
  async function spoilPoint(name: string): Promise<void> {
    const path = terminal.path('keys', 'tls', name)
    const pem = await readFile(path, 'utf8')
    const [, , body = ''] = pem.split('-----')
    const der = Buffer.from(body, 'base64')
    der[der.lastIndexOf(Buffer.from('034200', 'hex')) + 3]! ^= 1
    await writeFile(path, pem.replace(body, `\n${der.toString('base64')}\n`), { mode: 0o600 })
  }
})
