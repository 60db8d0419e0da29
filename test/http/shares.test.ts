import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { SettingsInput } from '../../src/settings/schema.ts'
import { goodClaims, goodToken } from '../access/hostile-tokens.ts'
import { keySetOf, makeServiceKeys } from '../access/token-forge.ts'
import { errorOf, exchange, type Answer, type Endpoint } from '../support/exchange.ts'
import { addPerson, makeToken } from '../support/people.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'shares.example/app'
const PATH = tufPath(GUN)
const NOW = Date.parse('2026-11-24T12:00:00Z')
const TYPE = 'multipart/form-data; boundary=b'
type Headers = Readonly<Record<string, string>>

/** The part that is sent of a body without an end. */
const PARKED = 'a'.repeat(45_000)
const LIMITS = { parkedBytes: 100_000 }

async function park(endpoint: Endpoint, headers: Headers, bytes = PARKED): Promise<RawConnection> {
  const connection = await RawConnection.open(endpoint)
  const all = { Host: 'localhost', 'Content-Type': TYPE, 'Content-Length': '1000000', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  connection.write(`POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n${bytes}`)
  return connection
}

/** Sends a complete, malformed body. It gets 400 if it was read. */
const send = (endpoint: Endpoint, headers: Headers, bytes = 20_000): Promise<Answer> =>
  exchange(endpoint, {
    method: 'POST',
    path: PATH,
    headers: { 'content-type': TYPE, connection: 'close', ...headers },
    body: 'a'.repeat(bytes),
  })

/**
 * Checks that one sender's parked bodies block the same sender and nobody else.
 *
 * @param others two, since in one of a thousand servers a sender shares the count of another one
 */
async function shares(endpoint: Endpoint, sender: Headers, same: Headers, others: readonly Headers[]): Promise<void> {
  const parked: RawConnection[] = []
  try {
    await until('one of them to stay', async () => {
      // While both bodies arrive, each may take the other's room, and both be refused.
      parked.push(await park(endpoint, sender))
      return (await send(endpoint, same)).status === 429
    })
    const answer = await send(endpoint, same)
    assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '1'])
    assert.match(errorOf(answer).message, /of your/)
    const statuses: number[] = []
    for (const other of others) statuses.push((await send(endpoint, other)).status)
    assert.ok(statuses.includes(400), statuses.join())
  } finally {
    for (const { socket } of parked) socket.destroy()
  }
  await until('the room to come back', async () => (await send(endpoint, same)).status === 400)
}

test('a user’s uploads, with any of their tokens, leave room for other users, in all threads', async (t) => {
  const settings = { access: { mode: 'built-in' as const }, limits: LIMITS }
  const server = await startTestServer({ transport: 'plain', threads: 3, settings })
  t.after(() => server.stop())
  for (const name of ['alice', 'bob', 'carol']) await addPerson(server.running, name, ['sign:*'])
  const tokenOf = async (name: string, owner: string): Promise<Headers> => {
    return { authorization: `Bearer ${await makeToken(server.running, name, ['sign:*'], { owner })}` }
  }
  const others = [await tokenOf('b1', 'bob'), await tokenOf('c1', 'carol')]
  await shares(server, await tokenOf('a1', 'alice'), await tokenOf('a2', 'alice'), others)
})

test('one upload alone may use all of the room, and small ones of the same sender are accepted beside each other', async (t) => {
  const settings = { access: { mode: 'built-in' as const }, limits: LIMITS }
  const server = await startTestServer({ transport: 'plain', settings })
  t.after(() => server.stop())
  const headers = { authorization: `Bearer ${await makeToken(server.running, 'ci', ['sign:*'])}` }
  assert.equal((await send(server, headers, 95_000)).status, 400)
  await smallOnesPass(server, headers, 'a'.repeat(10_000))
})

/** Checks that uploads are accepted beside a parked one. */
async function smallOnesPass(endpoint: Endpoint, headers: Headers, parked: string): Promise<void> {
  const { socket } = await park(endpoint, headers, parked)
  // Before the last of these, the first bytes of the parked body have arrived.
  for (let sent = 0; sent < 10; sent += 1) assert.equal((await send(endpoint, headers)).status, 400)
  socket.destroy()
}

/** Checks that anonymous uploads from one network leave room for other networks. */
async function sharesByNetwork(t: TestContext, access: SettingsInput['access'], headers: Headers): Promise<void> {
  const settings = { listen: { trustedProxies: ['127.0.0.1', '::1'] }, access, limits: LIMITS }
  const server = await startTestServer({ transport: 'plain', now: NOW, settings })
  t.after(() => server.stop())
  const [one, same, ...others] = ['2001:db8::1', '2001:db8::2', '203.0.113.9', '198.51.100.9'].map((address) => {
    return { ...headers, 'x-forwarded-for': address }
  })
  await shares(server, one!, same!, others)
  // What the proxy sends without an address may be anybody's.
  await smallOnesPass(server, headers, PARKED)
}

test('anonymous uploads from one network leave room for other networks', async (t) => {
  await sharesByNetwork(t, { mode: 'none' }, {})
})

test('uploads with tokens that name nobody count as anonymous', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-shares-'))
  t.after(() => rm(directory, { recursive: true }))
  const keys = makeServiceKeys()
  const jwksFile = join(directory, 'jwks.json')
  await writeFile(jwksFile, JSON.stringify(keySetOf({ ...keys })))
  const claims = goodClaims(GUN, NOW)
  const realm = 'https://auth.example/token'
  const access = { mode: 'external', realm, issuer: claims.iss, service: claims.aud, jwksFile } as const
  const token = goodToken(keys, 'p256', { ...claims, sub: undefined })
  await sharesByNetwork(t, access, { authorization: `Bearer ${token}` })
})
