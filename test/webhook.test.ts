import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { TrustError } from '../src/errors.ts'
import type { Ending } from '../src/repository/expiry.ts'
import type { Trust } from '../src/repository/trust.ts'
import { PLAIN_HTTP_WORDS, settingsSchema, type Settings } from '../src/settings/schema.ts'
import { parseGun } from '../src/tuf/gun.ts'
import { webhookOf } from '../src/server/webhook.ts'
import { keptLog, type Line } from './support/local-app.ts'
import { openLocalTrust, type LocalTrust } from './support/local-trust.ts'
import { until } from './support/until.ts'

const NOW = Date.UTC(2026, 10, 24)
const DAY = 86_400_000
const SECRET = 'a-secret-of-the-webhook'
let local: LocalTrust
let server: Server
let directory: string
/** Status that the hook answers; 0: it never answers. */
let status = 200
const received: { url: string; body: string; signature: string }[] = []
const counted: boolean[] = []

before(async () => {
  local = await openLocalTrust(NOW)
  directory = await mkdtemp(join(tmpdir(), 'countersign-webhook-'))
  await writeFile(join(directory, 'secret'), `${SECRET}\n`, { mode: 0o600 })
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { url = '', headers } = request
      received.push({ url, body, signature: String(headers['countersign-signature']) })
      if (status !== 0) response.writeHead(status, { location: '/elsewhere' }).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(async () => {
  server.closeAllConnections()
  server.close()
  await local.close()
  await rm(directory, { recursive: true })
})

async function tell(
  found: readonly Ending[],
  closing = new AbortController().signal,
  trust: Trust = local.trust,
  secretFile = join(directory, 'secret'),
  ...pause: ((milliseconds: number) => Promise<unknown>)[]
): Promise<void> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const webhook = { url, secretFile }
  const settings: Settings = {
    ...settingsSchema.parse({ webhook, listen: { plainHttp: PLAIN_HTTP_WORDS } }),
    anchorFile: '',
  }
  const told = await webhookOf(settings, trust, { webhook: (delivered) => counted.push(delivered) }, closing, ...pause)
  await told?.(found)
}

const ending = (days: number, what = 'root certificate'): Ending => {
  return { gun: parseGun('docker.io/acme/app'), what, expires: local.clock.now + days * DAY + DAY / 2 }
}

test('an expiry is sent once at each of 60, 30, 7 and 1 days, signed', async () => {
  const end = ending(70)
  for (let day = 0; day <= 72; day += 1) {
    local.clock.now = NOW + day * DAY
    await tell([end])
  }
  const days = received.map(
    ({ body }) => (JSON.parse(body) as { endings: { daysLeft: number }[] }).endings[0]?.daysLeft,
  )
  assert.deepEqual(days, [59, 29, 6, 0])
  for (const { body, signature } of received) {
    const [, seconds = '', mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
    assert.equal(mac, createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex'))
  }
})

test('one message has all expiries within 60 days, and a renewed one is sent again', async () => {
  received.length = 0
  await tell([ending(5, 'targets'), ending(20, 'snapshot'), ending(90, 'root')])
  const [message] = received.map(({ body }) => JSON.parse(body) as { endings: { what: string }[] })
  assert.deepEqual(
    message?.endings.map(({ what }) => what),
    ['targets', 'snapshot'],
  )
  await tell([ending(5, 'targets'), ending(20, 'snapshot')])
  assert.equal(received.length, 1)
  await tell([ending(6, 'targets')])
  assert.equal(received.length, 2)
})

test('thousands of expiries on one day are several messages, and each is recorded once it was delivered', async () => {
  received.length = 0
  const found = Array.from({ length: 2_500 }, (_, index) => ending(50, `targets/signer${index}`))
  const first = local.trust.store.tail().number
  await tell(found)
  const sizes = received.map(({ body }) => (JSON.parse(body) as { endings: object[] }).endings.length)
  assert.deepEqual(sizes, [1_000, 1_000, 500])
  assert.equal(local.trust.store.tail().number, first + 3)
  await tell(found)
  assert.equal(received.length, 3)
})

test('an undelivered message is sent in the next round and does not delay shutdown', async () => {
  received.length = 0
  status = 500
  const closing = new AbortController()
  const round = tell([ending(3, 'targets/releases')], closing.signal)
  await until('the first try', () => received.length > 0)
  closing.abort()
  await round
  assert.equal(counted.at(-1), false)
  status = 200
  await tell([ending(3, 'targets/releases')])
  assert.equal(counted.at(-1), true)
  const sent = received.length
  await tell([ending(3, 'targets/releases')])
  assert.equal(received.length, sent)
})

test('a redirect is not followed, and the message is sent again', async () => {
  received.length = 0
  status = 307
  const round = tell([ending(3, 'targets/moved')])
  await until('the first try', () => received.length > 0)
  status = 200
  await round
  assert.equal(counted.at(-1), true)
  assert.deepEqual(
    received.map(({ url }) => url),
    ['/hook', '/hook'],
  )
})

test('a hook that is away for an hour is told when it is back', async () => {
  received.length = 0
  status = 503
  let waited = 0
  await tell([ending(3, 'targets/away')], undefined, undefined, undefined, async (milliseconds) => {
    waited += milliseconds
    if (waited > 3_600_000) status = 200
  })
  assert.equal(counted.at(-1), true)
  assert.equal(received.length, 6)
})

test('a hook that does not answer is given up', async (t) => {
  received.length = 0
  status = 0
  const [limit, closing] = [new AbortController(), new AbortController()]
  t.after(() => closing.abort())
  t.mock.method(AbortSignal, 'timeout', () => limit.signal)
  const lines: Line[] = []
  const round = tell([ending(3, 'targets/slow')], closing.signal, { ...local.trust, log: keptLog(lines) })
  await until('the first try', () => received.length > 0)
  limit.abort()
  await until('it to be given up', () => lines.length > 0)
  closing.abort()
  await round
  assert.equal(counted.at(-1), false)
  status = 200
})

test('a short secret is refused', async () => {
  const secretFile = join(directory, 'short')
  await writeFile(secretFile, ' fifteen letters\n', { mode: 0o600 })
  await assert.rejects(tell([], undefined, undefined, secretFile), { code: 'BAD_SETTINGS', message: /at least 16 / })
})

test('random bytes are refused as a secret, because receivers could not tell which key signs', async () => {
  const secretFile = join(directory, 'random')
  await writeFile(secretFile, Buffer.alloc(32, 0xe9), { mode: 0o600 })
  await assert.rejects(tell([], undefined, undefined, secretFile), {
    code: 'BAD_SETTINGS',
    message: /is not text in UTF-8$/,
  })
})

test('if the record of the last message is damaged, the message is sent', async () => {
  const { trust } = local
  const record = (): never => {
    throw new TrustError('CORRUPT', 'the record is damaged')
  }
  const before = received.length
  await tell([ending(20, 'snapshot')], undefined, { ...trust, store: { ...trust.store, record } })
  assert.equal(received.length, before + 1)
})
