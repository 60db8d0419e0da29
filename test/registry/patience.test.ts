import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { notaryServer } from '../../src/registry/notary-server.ts'
import { patience } from '../../src/registry/patience.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { oddServer } from '../support/odd-server.ts'

const GUN = parseGun('source.example/team/app')

/** Starts a server that gives these answers, one after the other; the waits between them are only noted. */
async function throttled(t: TestContext, answers: readonly ((response: ServerResponse) => void)[]) {
  const left = [...answers]
  const { url, asked } = await oddServer(t, (_, response) => left.shift()?.(response))
  const [said, waits]: [string[], number[]] = [[], []]
  const patiently = patience(
    (seconds, why) => said.push(`${seconds} ${why}`),
    async (ms) => waits.push(ms),
  )
  const source = notaryServer(url, GUN, { credentials: async () => undefined, patiently })
  return { url, asked, said, waits, source }
}

const busy =
  (headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(429, headers).end('{}')
const good = (response: ServerResponse): void => void response.end('good')
const realm = (response: ServerResponse): void =>
  void response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="http://${response.req.headers.host}/token"` }).end()

test('a request is sent again when the server wants it, also to the token service', async (t) => {
  const token = (response: ServerResponse): void => void response.end('{"token":"x"}')
  const answers = [busy({ 'Retry-After': '3' }), busy(), realm, busy({ 'Retry-After': '0' }), token, good]
  const { asked, said, waits, source } = await throttled(t, answers)
  assert.equal(String(await source.document('root')), 'good')
  assert.deepEqual(said, ['3 answers 429', '10 answers 429', '1 answers 429'])
  assert.deepEqual(waits, [3_000, 10_000, 1_000])
  assert.equal(asked.length, 6)
})

test('it is given up after ten minutes in a row, and then each request at once, until one succeeds', async (t) => {
  const minutes = busy({ 'Retry-After': '240' })
  const answers = [minutes, minutes, minutes, minutes, good, minutes, good]
  const { url, waits, source } = await throttled(t, answers)
  const refused = { message: `${url} answers 429`, hint: 'try again in 240 seconds' }
  await assert.rejects(source.document('root'), refused)
  assert.deepEqual(waits, [240_000, 240_000])
  await assert.rejects(source.document('root'), refused)
  assert.equal(String(await source.document('root')), 'good')
  assert.equal(String(await source.document('root')), 'good')
  assert.deepEqual(waits, [240_000, 240_000, 240_000])
})

const dead = (response: ServerResponse): void => void response.destroy()

test('a server that answers no longer is waited for', async (t) => {
  const { asked, said, source } = await throttled(t, [good, dead, dead, good, dead, good])
  for (let times = 0; times < 3; times += 1) assert.equal(String(await source.document('root')), 'good')
  assert.deepEqual(said, ['1 does not answer', '3 does not answer', '1 does not answer'])
  assert.equal(asked.length, 6)
})

test('if it does not come back, it is asked twice more, and then for nothing', async (t) => {
  const { url, asked, waits, source } = await throttled(t, [good, dead, dead, dead, dead, dead, dead, good])
  await source.document('root')
  for (let times = 0; times < 4; times += 1) {
    await assert.rejects(source.document('root'), { message: `cannot reach ${url}` })
  }
  assert.deepEqual(waits, [1_000, 3_000, 10_000])
  assert.equal(asked.length, 7)
})

test('a server that gives no answer about one repository is asked for the others', async (t) => {
  const { url, waits, source } = await throttled(t, [good, dead, dead, dead, dead, good, dead, good])
  await source.document('root')
  await assert.rejects(source.document('root'), { message: `cannot reach ${url}` })
  assert.equal(String(await source.document('root')), 'good')
  assert.equal(String(await source.document('root')), 'good')
  assert.deepEqual(waits, [1_000, 3_000, 10_000, 1_000])
})

test('a server that never answered is not waited for', async (t) => {
  const { url, asked, waits, source } = await throttled(t, [dead, dead, dead, good])
  for (let times = 0; times < 4; times += 1) {
    await assert.rejects(source.document('root'), { message: `cannot reach ${url}` })
  }
  assert.deepEqual(waits, [])
  assert.equal(asked.length, 3)
})
