import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { TrustError, type TrustErrorCode } from '../../src/errors.ts'
import { exchange, type Ask } from '../support/exchange.ts'
import { startLocalApp, type Line, type LocalApp } from '../support/local-app.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const SECRET = 'hunter2-hunter2'

describe('the log has one line for each request', () => {
  let app: LocalApp
  let fault: unknown

  before(async () => {
    app = await startLocalApp({
      alter: ({ store }) => ({
        store: {
          ...store,
          head(gun) {
            if (fault !== undefined) throw fault
            return store.head(gun)
          },
        },
      }),
    })
  })
  after(() => app.close())
  afterEach(() => {
    fault = undefined
  })

  const lineOf = async (ask: Ask): Promise<Line> => {
    app.lines.length = 0
    const { headers } = await exchange(app, ask)
    await until('its line', () => app.lines.length > 0)
    const [line, ...others] = app.lines
    assert.deepEqual(others, [])
    assert.equal(line?.['requestId'], headers['x-request-id'])
    return line as Line
  }

  test('it names the operation, the repository and the outcome', async () => {
    const line = await lineOf({
      path: tufPath('log/app', '3.root.json'),
      headers: { 'user-agent': 'Docker-Client/28' },
    })
    const { requestId, ms, address, ...rest } = line
    assert.deepEqual(rest, {
      level: 'info',
      text: 'request refused',
      method: 'GET',
      operation: 'GetRoleByVersion',
      gun: 'log/app',
      role: 'root',
      status: 404,
      bytes: 116,
      agent: 'Docker-Client/28',
      refused: 'there is no such document',
    })
    assert.match(String(requestId), /^[0-9a-f-]{36}$/)
    assert.ok(typeof ms === 'number' && ms >= 0)
    assert.match(String(address), /127\.0\.0\.1$|^::1$/)
  })

  test('it holds no secret of the request', async () => {
    const line = await lineOf({
      method: 'POST',
      path: `${tufPath('log/app')}?token=${SECRET}`,
      headers: { authorization: `Bearer ${SECRET}`, cookie: SECRET, 'x-other': SECRET, 'content-type': SECRET },
      body: SECRET,
    })
    assert.doesNotMatch(JSON.stringify(line), new RegExp(SECRET))
  })

  test('values that the client chooses are cut, and stay one string', async () => {
    const { agent, gun } = await lineOf({
      path: `/v2/${encodeURIComponent('a\u2028b"c')}/_trust/tuf/root.json`,
      headers: { 'user-agent': 'x'.repeat(5_000) },
    })
    assert.equal(String(agent).length, 200)
    assert.equal(gun, undefined)
  })

  test("the request id is the server's, not one that the client sends", async () => {
    const { requestId } = await lineOf({ path: '/v2/', headers: { 'x-request-id': 'mine' } })
    assert.notEqual(requestId, 'mine')
  })

  test('a failing store gives 503 with Retry-After, never 404', async () => {
    for (const code of ['STORE_UNAVAILABLE', 'CORRUPT', 'CLOCK'] satisfies TrustErrorCode[]) {
      fault = new TrustError(code, `the reason is ${SECRET}`)
      const ask = { path: tufPath('log/app', 'root.json') }
      const answer = await exchange(app, ask)
      assert.equal(answer.status, 503, code)
      assert.match(answer.headers['retry-after'] ?? '', /^\d+$/)
      assert.doesNotMatch(answer.body.toString(), new RegExp(SECRET))
      const { level, err, text } = await lineOf(ask)
      assert.deepEqual([level, err, text], ['error', fault, 'request failed'])
    }
  })

  test('an internal error gives 500 without details, and the log has the cause', async () => {
    for (const thrown of [new TypeError(SECRET), SECRET, new RangeError('Maximum call stack size exceeded')]) {
      fault = thrown
      const ask = { path: tufPath('log/app', 'root.json') }
      const answer = await exchange(app, ask)
      assert.equal(answer.status, 500)
      assert.equal(answer.body.toString(), '{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}\n')
      assert.deepEqual((await lineOf(ask))['err'], thrown)
    }
  })
})

describe('metrics', () => {
  let app: LocalApp

  before(async () => {
    app = await startLocalApp()
  })
  after(() => app.close())

  const scrape = async (): Promise<string> => (await exchange(app, { path: '/metrics' })).body.toString()

  test('requests are counted by operation, method and sent status', async () => {
    await exchange(app, { path: '/v2/' })
    await exchange(app, { method: 'HEAD', path: '/v2/' })
    await exchange(app, { path: '/nowhere' })
    await exchange(app, { method: 'PATCH', path: '/v2/' })
    await exchange(app, { method: 'DELETE', path: tufPath('metrics/app') })
    await exchange(app, { path: tufPath('metrics/app', 'timestamp.key') })
    await exchange(app, { path: tufPath('metrics/app', `root.${'0'.repeat(64)}.json`) })
    const text = await scrape()
    for (const labels of [
      'operation="Ping",method="get",code="200"',
      'operation="Ping",method="head",code="200"',
      'operation="unknown",method="get",code="404"',
      'operation="unknown",method="patch",code="405"',
      'operation="DeleteTUF",method="delete",code="200"',
      'operation="GetKey",method="get",code="200"',
      'operation="GetRoleByHash",method="get",code="404"',
    ]) {
      assert.match(text, new RegExp(`^notary_server_http_requests_total\\{${labels}\\} 1$`, 'm'))
    }
    assert.match(text, /^countersign_http_request_seconds_count\{operation="Ping"\} 2$/m)
  })

  test('the store reports whether it is writable, what is due, and when the first timestamp expires', async () => {
    const text = await scrape()
    assert.match(text, /^countersign_store_writable 1$/m)
    assert.match(text, /^countersign_timestamps_due 0$/m)
    assert.match(text, /^countersign_min_seconds_to_timestamp_expiry \+Inf$/m)
  })

  test('names of repositories never become labels', async () => {
    await exchange(app, { path: tufPath('metrics/canary', 'root.json') })
    assert.doesNotMatch(await scrape(), /canary/)
  })
})
