import assert from 'node:assert/strict'
import { test } from 'node:test'
import { showExpiry } from '../../src/admin/expiry.ts'
import { revokeToken } from '../../src/admin/tokens.ts'
import type { World } from '../../src/admin/operation.ts'
import { localTrustFor, TEST_ACTOR } from '../support/local-trust.ts'
import { makeToken, worldOf } from '../support/people.ts'

const NOW = Date.parse('2026-11-28T08:00:00.000Z')
const DAY = 86_400_000

/** Returns the rows of `expiry` as `WHAT: TODO`. */
async function told(world: World): Promise<string[]> {
  const rows = await showExpiry.run(world, { days: 36_500 }, TEST_ACTOR)
  return rows.map(({ what, todo }) => `${what}: ${todo}`)
}

test('a server certificate that ends with its CA, or should have been renewed, is not said to need nothing', async (t) => {
  const here = await localTrustFor(t, NOW)
  const said = async (certificate: number, ca: number): Promise<string | undefined> => {
    const certificates: World['certificates'] = async () => [
      { what: 'server certificate', expires: NOW + certificate * DAY },
      { what: 'server CA', expires: NOW + ca * DAY },
    ]
    return (await told({ ...worldOf(here), certificates })).find((row) => row.startsWith('server certificate: '))
  }
  assert.match((await said(90, 91)) ?? '', /: nothing: /)
  for (const days of [800, 20, -1]) assert.match((await said(days, days)) ?? '', /: stop the server, remove tls\/ /)
  for (const days of [59, -1])
    assert.match((await said(days, 800)) ?? '', /: restart the server: it makes a new one, or its log says why not /)
})

test('a certificate that cannot be served is put right where it was made', async (t) => {
  const here = await localTrustFor(t, NOW)
  const what = 'server certificate, which cannot be served'
  const elsewhere: World['certificates'] = async () => [{ what, expires: NOW }]
  const own: World['certificates'] = async () => [...(await elsewhere()), { what: 'server CA', expires: NOW + DAY }]
  assert.match(
    (await told({ ...worldOf(here), certificates: elsewhere }))[0] ?? '',
    /served: put right the files that tls\./,
  )
  assert.equal(
    (await told({ ...worldOf(here), certificates: own }))[0],
    `${what}: restart the server: it makes a new one`,
  )
})

test('a CA of client certificates is replaced where the settings name it', async (t) => {
  const here = await localTrustFor(t, NOW)
  for (const what of ['client CA', 'client CA, which cannot be read']) {
    const certificates: World['certificates'] = async () => [{ what, expires: NOW }]
    const row = `${what}: replace it in the file that access.clientCertificates.caFile names`
    assert.deepEqual(await told({ ...worldOf(here), certificates }), [row])
  }
})

test('a token that ends is replaced under another name, and is listed until it is revoked or has ended for 60 days', async (t) => {
  const here = await localTrustFor(t, NOW)
  await makeToken(here, 'ci', ['read:*'], { days: 90 })
  const row = 'token ci: countersign token create NEW-NAME if it is still needed, then countersign token revoke ci'
  assert.deepEqual(await told(worldOf(here)), [row])
  here.clock.now += 149 * DAY
  assert.deepEqual(await told(worldOf(here)), [row])
  here.clock.now += 2 * DAY
  assert.deepEqual(await told(worldOf(here)), [])
  here.clock.now -= 2 * DAY
  await makeToken(here, 'ci-2', ['read:*'], { days: null })
  await revokeToken.run(worldOf(here), { token: 'ci' }, TEST_ACTOR)
  assert.deepEqual(await told(worldOf(here)), [])
})
