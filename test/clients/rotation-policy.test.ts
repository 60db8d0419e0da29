import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { signTag } from '../../src/admin/tags.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { createRepositories } from '../support/owner.ts'
import { until } from '../support/until.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('notary')
const DAY = 86_400_000
const DIGEST = `sha256:${'ab'.repeat(32)}`
const OURS = 'docker.io/acme/policy'
const OWNERS = 'example.org/owner/policy'
let stage: Stage
let passphrase: string

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  passphrase = await stage.file('a passphrase for root')
})
after(async () => {
  if (skip === false) await stage.close()
})

const type: Stage['type'] = (...args) => stage.type(...args)

/** Returns the repositories whose next root waits, and who staged it. */
async function waiting(): Promise<string[]> {
  const rows = JSON.parse((await type('root', 'waiting', '--json')).stdout) as { gun: string; by: string }[]
  return rows.map(({ gun, by }) => `${gun} ${by}`)
}

function timestampKeys(gun: string): number {
  return stage.server.running.trust.store.keys(parseGun(gun), 'timestamp').length
}

test(
  'old keys get a next root automatically; clients follow when a command signs it or the owner rotates',
  { skip },
  async () => {
    await createRepositories(stage, passphrase, OURS)
    await stage.ask(signTag, { gun: OURS, tag: 'v1', digest: DIGEST, size: 10 })
    const owner = await stage.client()
    await owner.run('init', '-p', OWNERS)
    await owner.run('key', 'rotate', OWNERS, 'snapshot', '-r')
    await owner.run('add', '-p', OWNERS, 'v1', await stage.file('v1'))
    const reader = await stage.client()
    for (const gun of [OURS, OWNERS]) assert.deepEqual(await reader.list(gun), ['v1 targets'])
    stage.server.clock.now += 2 * DAY
    await stage.server.restart({ rotation: { keyAgeDays: 1 } })
    await until('both to wait', async () => (await waiting()).length === 2)
    assert.deepEqual(await waiting(), [`${OURS} server`, `${OWNERS} server`])
    for (const gun of [OURS, OWNERS]) assert.deepEqual(await reader.list(gun), ['v1 targets'])
    // One is signed by the key stored here.
    const { code, stdout } = await type('root', 'sign', '*', '--all', '--passphrase-file', passphrase, '--json')
    assert.equal(code, 1)
    assert.partialDeepStrictEqual(JSON.parse(stdout), [
      { gun: OURS, state: 'published', version: 2 },
      { gun: OWNERS, state: 'lacks signatures' },
    ])
    // The other is signed by its owner's client, which gets the prepared key.
    const made = timestampKeys(OWNERS)
    await owner.run('key', 'rotate', OWNERS, 'timestamp', '-r')
    assert.deepEqual(await waiting(), [])
    assert.equal(timestampKeys(OWNERS), made)
    for (const gun of [OURS, OWNERS]) assert.deepEqual(await reader.list(gun), ['v1 targets'])
    assert.deepEqual(await stage.server.check(), [])
  },
)
