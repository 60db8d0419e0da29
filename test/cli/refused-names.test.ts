import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Terminal, type Printed } from './terminal.ts'

const LONG = 'a'.repeat(20_000)
const DIGEST = /^error: digest: write it as in sha256:/
const NAME = /^error: that cannot be a name\n/
const GUN = /^error: invalid repository name: it is /

/** As a script types them whose variable is not set, or holds something else. */
const COMMANDS: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
  [['find', ''], DIGEST],
  [['find', LONG], DIGEST],
  [['repo', 'show', ''], GUN],
  [['repo', 'show', LONG], GUN],
  [['key', 'list', ''], GUN],
  [['user', 'remove', ''], NAME],
  [['token', 'revoke', ''], /^error: token: must not be empty\n/],
  [['token', 'revoke', LONG], /^error: token: must have at most 100 characters\n/],
  [['signer', 'remove', ''], /^error: name: must not be empty\n/],
  [['delegation', 'remove', 'docker.io/acme/app', ''], /^error: name: must not be empty\n/],
  [['policy', 'remove', ''], /^error: subject: write it as in /],
]

describe('a name that nothing can have is refused by what is wrong with it, not by what is not there', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
  })
  after(() => terminal.close())

  const isRefused = ({ code, stdout, stderr }: Printed, args: readonly string[], expected: RegExp): void => {
    const typed = args.join(' ').slice(0, 80)
    assert.match(stdout + stderr, expected, typed)
    // 1 would be an answer: it is not signed, there is none.
    assert.equal(code, 2, typed)
  }

  test('beside a running server', async () => {
    const hosted = await terminal.host()
    await Promise.all(COMMANDS.map(async ([args, expected]) => isRefused(await terminal.run(args), args, expected)))
    await hosted.end()
  })

  test('where it is stopped', async () => {
    const some = COMMANDS.filter(([[noun]]) => noun === 'find' || noun === 'signer')
    for (const [args, expected] of some) isRefused(await terminal.run(args), args, expected)
  })
})
