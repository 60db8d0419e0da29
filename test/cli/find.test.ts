import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'
const BOB = 'targets/bob'
const HEX = 'ab'.repeat(32)

test('a signature by a replaced delegation key is found and marked as unseen by clients', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const server = await terminal.host()
  const owner = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
  owner.delegate(BOB, [makeKey('ecdsa')])
  owner.payload(BOB).version = 1
  owner.addTarget('v1', BOB, { hashes: { sha256: Buffer.from(HEX, 'hex').toString('base64') }, length: 7 })
  await owner.send(server, owner.parts('root', 'targets', BOB))
  const find = async (): Promise<{ code: number | null; stdout: string }> => {
    const { code, stdout } = await terminal.run(['find', `sha256:${HEX}`])
    return { code, stdout }
  }
  const seen = await find()
  assert.equal(seen.code, 0)
  assert.match(seen.stdout, /^docker\.io\/acme\/app:v1 +targets\/bob +\S+Z +now +\S+\n$/m)
  owner.delegate(BOB, [makeKey('ecdsa')])
  await owner.publish(server, 'targets')
  const unseen = await find()
  assert.equal(unseen.code, 1)
  assert.match(unseen.stdout, /^docker\.io\/acme\/app:v1 +targets\/bob +\S+Z +unseen +\S+$/m)
  assert.ok(
    unseen.stdout.endsWith(
      `\nwarning: ${GUN}: clients skip ${BOB}: valid signatures did not meet threshold for ${BOB}\n`,
    ),
  )
  const { stdout: listed } = await terminal.run(['tag', 'list', GUN])
  assert.match(listed, /^v1 +sha256:(?:ab){32} +7 +targets\/bob \(unseen\)$/m)
  assert.match(listed, /^warning: clients skip targets\/bob: /m)
})
