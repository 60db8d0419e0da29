import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { listRootKeys } from '../../src/admin/root-keys.ts'
import { discardRoot } from '../../src/admin/roots.ts'
import { recordKey } from '../../src/store/keyspace.ts'
import { spoil } from '../support/test-store.ts'
import { asOwner, makeRootKeys } from '../support/owner.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const ONE = 'docker.io/acme/one'
const TWO = 'docker.io/acme/two'
const LOST = 'unless there is a copy of the key in a file'

describe('removing root keys', () => {
  let terminal: Terminal
  let server: Hosted

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.host()
    await writeFile(terminal.path('pass'), 'the passphrase of all\n', { mode: 0o600 })
    await makeRootKeys(terminal, 'pass', 'alice', 'bob', 'carol')
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)

  async function names(): Promise<string[]> {
    return (await terminal.ask(listRootKeys, {})).map(({ name }) => name)
  }

  test('an unused one is removed without its passphrase, and the journal names the actor', async () => {
    await prints('root remove nobody', /^error: there is no root key nobody\nhint: /, 1)
    await prints('root remove carol --dry-run', 'would remove the root key carol\n')
    assert.deepEqual(await names(), ['alice', 'bob', 'carol'])
    await prints('root remove carol', 'removed the root key carol\n')
    assert.deepEqual(await names(), ['alice', 'bob'])
    await prints('audit --limit 1', /record {2}\(server\) {2}by local {2}\(\S+\)\n {4}root-key carol removed\n$/)
    await prints('root create carol --passphrase-file pass', /^made the root key carol/)
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('one that a repository needs is removed only with --yes', async () => {
    await asOwner(terminal, 'pass', async ({ create }) => {
      await create(ONE, 'alice')
      await create(TWO, 'alice', 'bob')
    })
    const warnings = [
      `${ONE} needs alice: its roots can no longer be signed, ${LOST}`,
      `${TWO} names alice; its other root keys are enough: countersign key rotate ${TWO} root --root-key …`,
    ]
    await prints(
      'root remove alice',
      `error: nothing was removed:\n  ${warnings.join('\n  ')}\n` +
        'hint: to remove it anyway, add --yes; where its passphrase is known, "countersign root export alice FILE" keeps a copy\n',
      1,
    )
    const { stdout, code } = await terminal.run(['root', 'remove', 'alice', '--json'])
    assert.deepEqual([JSON.parse(stdout), code], [{ name: 'alice', removed: false, warnings }, 1])
    const told = warnings.map((warning) => `warning: ${warning}\n`).join('')
    await prints('root remove alice --dry-run', `would remove the root key alice\n${told}`)
    assert.deepEqual(await names(), ['alice', 'bob', 'carol'])
    // Once the repositories have other root keys, nothing needs it.
    for (const gun of [ONE, TWO]) {
      await prints(`key rotate ${gun} root --root-key bob --passphrase-file pass`, /root version 2\n$/)
    }
    await prints('root remove alice', 'removed the root key alice\n')
    await prints(
      'root remove bob --yes',
      /^removed the root key bob\nwarning: .*one needs bob: .*\nwarning: .*two needs/,
    )
    assert.deepEqual(await names(), ['carol'])
    await prints(`key rotate ${ONE} timestamp --passphrase-file pass`, /waits for signatures/, 1)
  })

  test('one that a waiting root needs is named, with a stopped server, too', async () => {
    await server.end()
    await makeRootKeys(terminal, 'pass', 'dora')
    await terminal.ask(discardRoot, { gun: ONE })
    await prints(`key rotate ${ONE} root --root-key dora --stage --passphrase-file pass`, /waits for signatures/)
    await prints('root remove dora', /^error: nothing was removed:\n {2}docker\.io\/acme\/one needs dora: its roots/, 1)
    await terminal.ask(discardRoot, { gun: ONE })
    await prints('root remove dora', 'removed the root key dora\n')
  })

  test('a second name or an offline key is removed without loss of a sealed key', async () => {
    await writeFile(terminal.path('file.pass'), 'the passphrase of the file\n', { mode: 0o600 })
    const out = '--passphrase-file pass --key-passphrase-file file.pass'
    await asOwner(terminal, 'pass', ({ create }) => create('docker.io/acme/four', 'carol'))
    await prints(`root export carol carol.key ${out}`, /^wrote/)
    await prints(`root import again carol.key ${out}`, /^took/)
    await prints('root remove again', 'removed the root key again\n')
    await rm(terminal.path('carol.key'))
    await prints(`root export carol carol.key ${out} --remove`, /is offline now/)
    await prints(
      'root remove carol',
      /four needs carol: its roots are signed with the key file.*\nhint: .* add --yes\n$/,
      1,
    )
  })

  test('a damaged one is removed with a warning, since what needs it is unknown', async () => {
    await spoil({ directory: terminal.path('data') }, recordKey('root-key', 'carol'))
    await prints('root remove carol', /nothing was removed:\n {2}the root key carol is damaged: cannot tell which/, 1)
    await prints('root remove carol --yes', /^removed the root key carol\nwarning: the root key carol is damaged/)
    await prints('root list', 'no root keys\n')
    await prints('check', /./)
  })
})
