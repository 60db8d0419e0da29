import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Terminal, type Printed } from './terminal.ts'

const LONG = 'a'.repeat(20_000)
const DIGEST = /^error: digest: must look like sha256:/
const NAME = /^error: that is not a valid name\n/
const GUN = /^error: invalid repository name: it is /

/** As typed by a script with an unset or wrong variable. */
const COMMANDS: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
  [['find', ''], DIGEST],
  [['find', LONG], DIGEST],
  [['repo', 'show', ''], GUN],
  [['repo', 'show', LONG], GUN],
  [['key', 'list', ''], GUN],
  [['user', 'remove', ''], NAME],
  // Before anybody chooses a passphrase.
  [['root', 'create', 'My Key'], NAME],
  [['token', 'revoke', ''], /^error: token: must not be empty\n/],
  [['token', 'revoke', LONG], /^error: token: must have at most 100 characters\n/],
  [['signer', 'remove', ''], /^error: name: must not be empty\n/],
  [['delegation', 'remove', 'docker.io/acme/app', ''], /^error: name: must not be empty\n/],
  [['policy', 'remove', ''], /^error: subject: must look like /],
]

describe('an invalid name is refused as invalid, not reported as missing', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
  })
  after(() => terminal.close())

  const isRefused = ({ code, stdout, stderr }: Printed, args: readonly string[], expected: RegExp): void => {
    const typed = args.join(' ').slice(0, 80)
    assert.match(stdout + stderr, expected, typed)
    // 1 would mean an answer: not signed, or no such thing.
    assert.equal(code, 2, typed)
  }

  test('by a running server', async () => {
    const hosted = await terminal.host()
    await Promise.all(COMMANDS.map(async ([args, expected]) => isRefused(await terminal.run(args), args, expected)))
    await hosted.end()
  })

  test('with a stopped server', async () => {
    const some = COMMANDS.filter(([[noun]]) => noun === 'find' || noun === 'signer')
    for (const [args, expected] of some) isRefused(await terminal.run(args), args, expected)
  })
})
