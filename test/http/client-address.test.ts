import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Log } from '../../src/log/log.ts'
import type { SettingsInput } from '../../src/settings/schema.ts'
import { exchange } from '../support/exchange.ts'
import { addPerson } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const HERE = /^127\.0\.0\.1$|^::1$|^::ffff:127\.0\.0\.1$/
const GUN = 'example.org/behind-a-proxy'
const PASSWORD = 'correct horse'

type Facts = Readonly<Record<string, unknown>>

/** A server and its log. */
async function started(trustedProxies: readonly string[]): Promise<{ server: TestServer; lines: Facts[] }> {
  const lines: Facts[] = []
  const note = (facts: object): void => void lines.push(facts as Facts)
  const log: Log = { info: note, warn: note, error: note }
  const settings: SettingsInput = {
    listen: { trustedProxies: [...trustedProxies] },
    access: { mode: 'built-in', publicReads: true },
  }
  const server = await startTestServer({ transport: 'plain', settings, log })
  await addPerson(server.running, 'alice', ['sign:*'], PASSWORD)
  await addPerson(server.running, 'bob', ['sign:*'], PASSWORD)
  return { server, lines }
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

describe('behind a trusted proxy', () => {
  let server: TestServer
  let lines: Facts[]
  before(async () => {
    ;({ server, lines } = await started(['127.0.0.1', '::1', '10.0.0.0/8', 'fd00::/8']))
  })
  after(() => server.stop())

  /** Returns the client address that the log has for a request. */
  async function logged(forwarded: string | undefined, path = '/v2/'): Promise<unknown> {
    const headers = forwarded === undefined ? undefined : { 'x-forwarded-for': forwarded }
    const { headers: answered } = await exchange(server, { path, ...(headers === undefined ? {} : { headers }) })
    const mine = (): Facts | undefined => lines.find(({ requestId }) => requestId === answered['x-request-id'])
    await until('its line', () => mine() !== undefined)
    return mine()?.['address']
  }

  test('the client is the address that the outermost trusted proxy names, whatever the client claims', async () => {
    const cases: readonly (readonly [string | undefined, string | RegExp])[] = [
      ['203.0.113.7', '203.0.113.7'],
      ['2001:db8::7', '2001:db8::7'],
      ['6.6.6.6, 203.0.113.7', '203.0.113.7'],
      ['6.6.6.6,203.0.113.7,10.1.2.3 , fd00::1', '203.0.113.7'],
      ['203.0.113.7:5678', '203.0.113.7'],
      ['[2001:db8::7]:5678, [2001:db8::8]:1, 10.1.2.3:443', '2001:db8::8'],
      ['10.9.9.9', '10.9.9.9'],
      ['nonsense, 10.1.2.3', '10.1.2.3'],
      [`fe80::1%${'x'.repeat(5_000)}, 10.1.2.3`, 'fe80::1'],
      ['203.0.113.7, nonsense', HERE],
      ['203.0.113.7:port', HERE],
      ['', HERE],
      [undefined, HERE],
    ]
    for (const [forwarded, expected] of cases) {
      const address = String(await logged(forwarded))
      if (typeof expected === 'string') assert.equal(address, expected, forwarded)
      else assert.match(address, expected, forwarded)
    }
  })

  test('kept answers and repeated requests are logged with the address of their own client', async () => {
    for (let round = 0; round < 4; round += 1) {
      for (const address of ['198.51.100.1', '198.51.100.2']) assert.equal(await logged(address), address)
    }
  })

  test('the journal has the address of the client', async () => {
    const headers = { authorization: `Bearer ${await token('alice')}`, 'x-forwarded-for': '203.0.113.9' }
    const { status } = await exchange(server, { path: tufPath(GUN, 'timestamp.key'), headers })
    assert.equal(status, 200)
    const { store } = server.running
    assert.equal([...store.journal()].at(-1)?.actor.address, '203.0.113.9')
  })

  test('wrong passwords delay the client that guesses, and nobody else behind the same proxy', async () => {
    const ask = async (user: string, password: string, forwarded: string): Promise<number> => {
      const headers = { authorization: basic(user, password), 'x-forwarded-for': forwarded }
      return (await exchange(server, { path: '/auth/token', headers })).status
    }
    for (let guess = 0; guess < 5; guess += 1) assert.equal(await ask(`name${guess}`, 'guess', '203.0.113.66'), 401)
    assert.equal(await ask('bob', PASSWORD, '203.0.113.66'), 429)
    assert.equal(await ask('bob', PASSWORD, '203.0.113.67'), 200)
    // This proxy does not say for whom it asks.
    for (let guess = 0; guess < 5; guess += 1) assert.equal(await ask(`other${guess}`, 'guess', '10.9.9.9'), 401)
    assert.equal(await ask('bob', PASSWORD, '10.9.9.9'), 200)
  })

  async function token(user: string): Promise<string> {
    const path = `/auth/token?service=countersign&scope=${encodeURIComponent(`repository:${GUN}:pull,push`)}`
    const { body } = await exchange(server, { path, headers: { authorization: basic(user, PASSWORD) } })
    return (JSON.parse(body.toString()) as { token: string }).token
  }
})

test('X-Forwarded-For is ignored from any other address', async (t) => {
  const { server, lines } = await started(['10.0.0.0/8'])
  t.after(() => server.stop())
  await exchange(server, { path: '/v2/', headers: { 'x-forwarded-for': '203.0.113.7' } })
  await until('its line', () => lines.some(({ operation }) => operation === 'Ping'))
  assert.match(String(lines.find(({ operation }) => operation === 'Ping')?.['address']), HERE)
})

test('with TLS of its own, the server delays guesses by the address that connects, whatever the names', async (t) => {
  const server = await startTestServer({ settings: { access: { mode: 'built-in' } } })
  t.after(() => server.stop())
  await addPerson(server.running, 'alice', ['sign:*'], PASSWORD)
  const ask = async (user: string, password: string): Promise<number> =>
    (await exchange(server, { path: '/auth/token', headers: { authorization: basic(user, password) } })).status
  for (let guess = 0; guess < 5; guess += 1) assert.equal(await ask(`name${guess}`, 'guess'), 401)
  assert.equal(await ask('alice', PASSWORD), 429)
})
