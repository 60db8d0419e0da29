import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { test, type TestContext } from 'node:test'
import { exchange, type Answer } from '../support/exchange.ts'
import { makeToken } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const ABSENT = 'example.org/team/nil'

/** Counts the signatures that are verified. */
function countVerified(t: TestContext): () => number {
  const { mock } = t.mock.method(crypto, 'verify')
  syncBuiltinESMExports()
  t.after(() => {
    mock.restore()
    syncBuiltinESMExports()
  })
  return () => mock.callCount()
}

test('a forged token takes as long for a repository that exists, and is often read, as for one that does not', async (t) => {
  const server = await startTestServer({ transport: 'plain', settings: { access: { mode: 'built-in' } } })
  t.after(() => server.stop())
  const authorization = `Bearer ${await makeToken(server.running, 'publisher', ['sign:example.org/*'])}`
  const signed = { url: server.url, authorization }
  const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(signed, GUN) })
  await world.publishFirst(signed)
  const get = (gun: string, headers: Record<string, string>): Promise<Answer> =>
    exchange(server, { path: tufPath(gun, 'root.json'), headers })
  // Its answer is kept from now on, and the text of the request is known.
  for (const again of [1, 2, 3]) assert.equal((await get(GUN, { authorization })).status, 200, `${again}`)
  const { body } = await exchange(server, { path: '/auth/token' })
  const { token } = JSON.parse(body.toString()) as { token: string }
  const verified = countVerified(t)
  for (const gun of [GUN, ABSENT, GUN, ABSENT]) {
    const signature = crypto.randomBytes(64).toString('base64url')
    const forged = token.replace(/[^.]+$/, signature)
    const before = verified()
    assert.equal((await get(gun, { authorization: `Bearer ${forged}` })).status, 401)
    assert.equal(verified() - before, 1, gun)
    assert.equal((await get(gun, { authorization: `Bearer ${forged}` })).status, 401)
    assert.equal(verified() - before, 2, 'the next request is judged anew')
  }
})
