import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { startLocalApp } from '../support/local-app.ts'

test('the first scrape and concurrent ones include process metrics; requests count from the start', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  await exchange(app, { path: '/v2/' })
  const scrape = async (): Promise<string> => (await exchange(app, { path: '/metrics' })).body.toString('utf8')
  for (const text of [...(await Promise.all([scrape(), scrape()])), await scrape()]) {
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds', 'countersign_commits']) {
      assert.equal(text.match(new RegExp(`^${name} `, 'gm'))?.length, 1, `${name} in\n${text}`)
    }
    assert.match(text, /^notary_server_http_requests_total\{operation="Ping",method="get",code="200"\} 1$/m)
  }
})
