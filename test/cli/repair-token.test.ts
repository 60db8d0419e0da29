import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { historyKey, journalKey } from '../../src/store/keyspace.ts'
import { SERVER } from '../../src/tuf/gun.ts'
import { changeRecords } from '../support/lived-in.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'
import { Terminal, type Printed } from './terminal.ts'

describe('countersign repair of a server with keys in a PKCS#11 token', { skip }, () => {
  let token: SoftToken
  let terminal: Terminal
  /** Settings that name the token. */
  let custody: Record<string, string>

  before(async () => {
    token = await SoftToken.create()
    terminal = await Terminal.open()
    const { library, tokenLabel = '', pinFile } = token.settings
    custody = {
      ...token.environment,
      COUNTERSIGN_SIGNERS_PKCS11_LIBRARY: library,
      COUNTERSIGN_SIGNERS_PKCS11_TOKEN_LABEL: tokenLabel,
      COUNTERSIGN_SIGNERS_PKCS11_PIN_FILE: pinFile,
      COUNTERSIGN_SIGNERS_PKCS11_KEY_ALGORITHM: 'ecdsa',
      COUNTERSIGN_SIGNERS_RULES: '[{ "role": "*", "signer": "pkcs11" }]',
    }
    for (const name of ['ci', 'nightly']) {
      const server = await terminal.serve(['--quiet'], custody)
      assert.equal((await terminal.run(['signer', 'create', name])).code, 0)
      assert.equal(await server.end(), 0)
    }
  })
  after(async () => {
    await terminal.close()
    await token.remove()
  })

  const repair = (...args: string[]): Promise<Printed> => terminal.run(['repair', ...args], custody)

  test('a missing token is named before any write; with it, or without its settings, repair works', async () => {
    await changeRecords(terminal.path('data'), [historyKey(SERVER, 1)], () => undefined)
    await token.takeAway()
    for (const options of [[], ['--dry-run']]) {
      const { code, stdout, stderr } = await repair('made', ...options)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(
        stderr,
        /^error: the PKCS#11 token cannot be reached: .*\nhint: connect the token; without the settings /,
      )
      await assert.rejects(readdir(terminal.path('made')), { code: 'ENOENT' })
    }
    const without = await terminal.run(['repair', 'without'])
    assert.equal(without.code, 1)
    assert.match(
      without.stdout,
      /^error: the key \w+ of the signer targets\/ci cannot be used: it is in a PKCS#11 token, and the settings name none \(signers\.pkcs11\)$/m,
    )
    await token.putBack()
    assert.equal((await repair('made')).code, 0)
  })

  test('a missing token is named before any fault in the journal', async () => {
    await changeRecords(terminal.path('data'), [journalKey(1)], () => undefined)
    await token.takeAway()
    assert.match((await repair('again')).stderr, /^error: the PKCS#11 token cannot be reached: /)
    await token.putBack()
    assert.match((await repair('again')).stderr, /^error: journal entry 1 is missing\n/)
  })
})
