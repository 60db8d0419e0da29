import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { showRepository } from '../../src/admin/repositories.ts'
import { listRootKeys, saveRootKey } from '../../src/admin/root-keys.ts'
import { issueCertificate } from '../support/certificate.ts'
import { asOwner, makeRootKeys } from '../support/owner.ts'
import { makeKey } from '../support/test-key.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const [ONE, TWO] = ['docker.io/order/one', 'docker.io/order/two']
const THREE = 'docker.io/threshold/three'
const BOB = '--passphrase-file bob.pass'

describe('which root keys sign', () => {
  let terminal: Terminal
  let server: Hosted

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.host()
    for (const name of ['alice', 'bob']) {
      await writeFile(terminal.path(`${name}.pass`), `the passphrase of ${name}\n`, { mode: 0o600 })
      await makeRootKeys(terminal, `${name}.pass`, name)
    }
    // carol is another name for bob's key, under alice's passphrase: one command opens both.
    await prints(`root export bob bob.key ${BOB} --key-passphrase-file bob.pass`, /^wrote/)
    await prints('root import carol bob.key --key-passphrase-file bob.pass --passphrase-file alice.pass', /^took/)
    await asOwner(terminal, 'bob.pass', ({ create }) => create(ONE, 'bob'))
    await asOwner(terminal, 'alice.pass', ({ create }) => create(TWO, 'alice', 'carol'))
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)

  test('only needed passphrases are asked for, and none if a known one opens enough', async () => {
    await prints(
      `key rotate docker.io/order/* timestamp --all ${BOB}`,
      /one {2}rotated {2}2\n.*two {2}rotated {2}2\n2 repositories: 2 rotated\n$/,
    )
    await prints(`key rotate ${ONE} timestamp --stage`, /waits/)
    await prints(`root show ${ONE}`, /of the new root itself: 1 of these keys\n {4}ID bob: not yet\n/)
    await prints(`root sign ${ONE} ${BOB}`, `published root version 3 of ${ONE}\n`)
  })

  test('a failed signing reports the keys that have signed', async () => {
    await asOwner(terminal, 'alice.pass', ({ createWith }) => createWith(THREE, ['alice', 'carol'], { threshold: 2 }))
    await prints(`key rotate ${THREE} timestamp --stage`, /waits/)
    await prints('root waiting', / local {2}(?:bob, alice|alice, bob) {5}a new timestamp key\n$/)
    const sign = `root sign ${THREE} --passphrase-file alice.pass --root-key`
    const { code, stderr } = await terminal.run(`${sign} alice bob`.split(' '))
    assert.equal(code, 2)
    const said = `signed the root of ${THREE} with alice; "countersign root show ${THREE}" says whether it still waits\n`
    assert.ok(stderr.startsWith(`${said}error: `), stderr)
    await prints('root waiting', / local {2}bob {12}a new timestamp key\n$/)
    await prints(`root show ${THREE} --out three.json`, /^wrote/)
    await prints(
      `root publish ${THREE} three.json`,
      /^took the signatures in three\.json; others are still to sign\nRoot version 2 of .* waits[^]* bob: not yet\n/,
      1,
    )
    await prints(`${sign} carol`, `published root version 2 of ${THREE}\n`)
  })

  test('a root key replaced while a passphrase was typed is not used', async () => {
    await promisify(execFile)('mkfifo', [terminal.path('typed')])
    const rotating = terminal.runApart(
      `key rotate ${TWO} root --root-key alice carol --passphrase-file typed`.split(' '),
    )
    const typed = await open(terminal.path('typed'), 'w')
    await prints(`key rotate ${TWO} root --root-key alice --passphrase-file alice.pass`, /^rotated the root key of /)
    await typed.writeFile('the passphrase of alice\n')
    await typed.close()
    const { code, stderr } = await rotating
    assert.deepEqual(
      [code, stderr],
      [
        2,
        `error: another root of ${TWO} was published in the meantime\n` +
          `hint: look at what it names ("countersign repo show ${TWO}"), then run the command again\n`,
      ],
    )
    await prints(`root show ${TWO}`, /no root of .* waits/, 1)
    await prints(`key rotate ${TWO} root --renew --plan`, /signed by 1 of:\n {4}ID alice\n {2}from then on/)
  })

  test('of two names of a key the usable one is chosen; an offline or missing key is reported first', async () => {
    await prints(`root export bob again.key ${BOB} --key-passphrase-file bob.pass --remove`, /is offline now/)
    await prints(`key rotate ${ONE} root --renew --plan`, /signed by 1 of:\n {4}ID carol\n/)
    const offline = /cannot be done: the root key bob is offline: "countersign root import" it first\n$/
    await prints(`key rotate ${TWO} root --root-key alice bob --plan`, offline, 1)
    // A key that stays keeps its certificate, so it need not be here.
    await prints(
      `key rotate ${ONE} root --root-key bob --plan`,
      / {4}ID bob\n {2}signed by the server .*\n {2}all clients follow, .*\n {2}breaks: docker before .*\n$/,
    )
    await prints('root remove carol --yes', /^removed the root key carol\n/)
    await prints(`key rotate ${ONE} root --renew --plan`, offline, 1)
    await prints('root remove bob --yes', /^removed/)
    await prints(`key rotate ${ONE} timestamp --plan`, /\n {4}ID \(not here\)\n {2}it would wait for signatures: /, 1)
    await prints(
      `key rotate ${ONE} root --renew --plan`,
      /^error: the root key ID is not here\nhint: whoever has it/,
      2,
    )
  })

  test('a shared certificate made by a clock that was ahead is not used for another repository', async () => {
    const alice = (await terminal.ask(listRootKeys, {})).find((row) => row.name === 'alice')
    assert.ok(alice !== undefined && 'public' in alice)
    const { public: text } = alice
    const pem = issueCertificate({
      commonName: 'docker.io/ahead/*',
      publicKey: createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' }),
      signer: makeKey('ecdsa').privateKey,
      notBefore: Date.now() + 10 * 86_400_000,
      notAfter: Date.now() + 3650 * 86_400_000,
    })
    const certificates = { 'docker.io/ahead/*': Buffer.from(pem).toString('base64') }
    await terminal.ask(saveRootKey, { name: 'alice', public: text, certificates })
    const wildcard = '--wildcard docker.io/ahead/* --root-key alice --passphrase-file alice.pass'
    await prints(`repo create docker.io/ahead/one ${wildcard}`, /^created /)
  })

  test('a shared certificate near its expiry is not used for another repository', async () => {
    // In a stopped server the command's own clock counts, which is set ahead here.
    await server.end()
    const YEAR = 365 * 86_400_000
    const create = async (name: string, years: number): Promise<number> => {
      await writeFile(terminal.path('later.mjs'), `const { now } = Date; Date.now = () => now() + ${years * YEAR}`)
      const later = { NODE_OPTIONS: '--import=./later.mjs' }
      const gun = `docker.io/shared/${name}`
      const alice = ['--root-key', 'alice', '--passphrase-file', 'alice.pass']
      const created = await terminal.run(['repo', 'create', gun, '--wildcard', 'docker.io/shared/*', ...alice], later)
      assert.match(created.stdout, /^created /, created.stderr)
      const { roles } = await terminal.ask(showRepository, { gun })
      return Date.parse(roles[0]?.keys[0]?.certificateEnds ?? '')
    }
    const first = await create('one', 0)
    assert.equal(await create('two', 6.9), first)
    assert.ok((await create('three', 7.1)) > first + 6.9 * YEAR)
  })
})
