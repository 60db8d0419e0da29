import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lazyApp } from '../../src/http/lazy-app.ts'
import { listen } from '../../src/http/server.ts'
import { PLAIN_HTTP_WORDS, settingsSchema } from '../../src/settings/schema.ts'
import { exchange } from '../support/exchange.ts'

test('a failed load is reported and gives 500, and the next request tries again', async (t) => {
  const failures: unknown[] = []
  let loads = 0
  const load = async () => {
    loads += 1
    if (loads === 1) throw new Error('EMFILE')
    return { callback: () => (_: unknown, response: { end(text: string): void }) => response.end('loaded') }
  }
  const settings = settingsSchema.parse({ listen: { port: 0, plainHttp: PLAIN_HTTP_WORDS } })
  const listening = await listen(
    lazyApp(load, (error) => failures.push(error)),
    settings,
    undefined,
  )
  t.after(() => listening.close())
  const ask = () => exchange({ url: `http://localhost:${listening.port}` }, { path: '/api/v1/repositories' })
  const refused = await ask()
  assert.equal(refused.status, 500)
  assert.equal(JSON.parse(refused.body.toString()).error.message, 'the server failed to answer')
  assert.match(String(failures), /EMFILE/)
  assert.equal((await ask()).body.toString(), 'loaded')
})
