import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { asOwner } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

test('audit says what was done to users, tokens and root keys, and what they might do from then on', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await terminal.host()
  await writeFile(terminal.path('pass'), 'the passphrase of all\n', { mode: 0o600 })

  async function type(command: string): Promise<string> {
    const { code, stdout, stderr } = await terminal.run(command.split(' '))
    assert.equal(code, 0, `${command}: ${stderr}`)
    return stdout
  }

  await type('user add eve --allow read,sign:docker.io/acme/* admin:docker.io/acme/app --no-password')
  await type('user set eve --allow read:* --disable')
  await type('user set eve --enable')
  await type('user password eve --password-file pass')
  await type('token create ci --owner eve --allow read:*')
  await type('token create nobody --allow sign:*')
  await type('token revoke nobody')
  await type('user remove eve')
  await asOwner(terminal, 'pass', async ({ makeRootKey }) => makeRootKey('alice'))
  const keep = '--passphrase-file pass --key-passphrase-file pass'
  await type(`root export alice alice.key ${keep} --remove`)
  await type(`root import alice alice.key ${keep}`)

  const lines = (await type('audit --kind record')).match(/(?<=^ {4})\S.*/gm)
  assert.deepEqual(
    lines?.map((line) => line.replace(/[0-9a-f]{16}/, 'ID')),
    [
      'user eve: added, may read,sign:docker.io/acme/* admin:docker.io/acme/app',
      'user eve: may read:*, disabled',
      'user eve: enabled',
      'user eve: password changed',
      'token ID: created as ci, of user:eve, may read:*',
      'token ID: created as nobody, may sign:*',
      'token ID: revoked',
      'user eve removed',
      'token ID: revoked',
      'root-key alice: added',
      'root-key alice: offline now',
      'root-key alice: stored here again',
    ],
  )
  assert.match(await terminal.checked(), /: sound\n$/)
})
