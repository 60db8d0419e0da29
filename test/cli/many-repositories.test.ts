import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { removeRootKey } from '../../src/admin/root-key-removal.ts'
import { asOwner } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

const [HERE, ONE, OTHER] = ['example.org/here', 'example.org/one', 'example.org/other']

describe('what is said of many repositories', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await writeFile(terminal.path('pass'), 'correct horse battery', { mode: 0o600 })
    await terminal.host()
    await asOwner(terminal, 'pass', async ({ makeRootKey, create }) => {
      await create(HERE)
      for (const [gun, name] of [
        [ONE, 'one'],
        [OTHER, 'other'],
      ] as const) {
        await makeRootKey(name)
        await create(gun, name)
        await terminal.ask(removeRootKey, { name })
      }
    })
  })
  after(() => terminal.close())

  test('a plan is shared by repositories whose owners have root keys of their own, and the end counts them', async () => {
    const same =
      'signed by the server with it: snapshot, timestamp\n  all clients follow, whichever root they have cached'
    await terminal.prints(
      'key rotate example.org/* timestamp --all --plan',
      `Rotating the timestamp key of ${HERE}
  root version 2, signed by 1 of:
    ID root
  ${same}

Rotating the timestamp key of 2 repositories
  root version 2, signed by 1 of:
    not here: 1 key, not the same for all of them
  it would wait for signatures: too few of these keys are sealed here
  ${same}
  these 2 repositories:
    ${ONE}
    ${OTHER}

Of 3 repositories: 1 can be done, 2 would wait for signatures
`,
      1,
    )
    const { stdout } = await terminal.run(['key', 'rotate', 'example.org/*', 'timestamp', '--all', '--plan', '--json'])
    const signers = (JSON.parse(stdout) as { signers: string[] }[]).map((plan) => plan.signers[0])
    assert.equal(new Set(signers).size, 3)
  })

  test('people see what ends within a year, unless they ask for more; programs see everything', async () => {
    const later = 'what ends after N days: countersign expiry --days 36500\n'
    await terminal.prints('expiry', `nothing ends within N days\n${later}`)
    await terminal.prints('token create ci --allow read:example.org/*', /cs_/)
    await terminal.prints(
      'expiry',
      /^ENDS +DAYS +REPOSITORY +WHAT +THEN\nYYYY-MM-DD +\d+ +\(server\) +token ci .*\nwhat ends after N days: .*\n$/,
    )
    await terminal.prints('expiry --days 4000', /^(?!.*what ends after).*example\.org\/one +root certificate/s)
    const { stdout } = await terminal.run(['expiry', '--json'])
    assert.equal((JSON.parse(stdout) as object[]).length, 2 + 3 * 4 + 1)
  })
})
