import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { startLocalProxy, type LocalProxy } from '../support/local-proxy.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'

/** Requests to other hosts go through the proxy in the environment, as with docker and notary. */
describe('behind a proxy to the outside', () => {
  let terminal: Terminal
  let proxy: LocalProxy
  let port: string

  before(async () => {
    terminal = await Terminal.open()
    port = new URL((await terminal.host()).url).port
    proxy = await startLocalProxy()
    Object.assign(terminal.environment, { HTTPS_PROXY: proxy.url })
  })
  after(async () => {
    proxy.close()
    await terminal.close()
  })

  /** Asks another server for a missing repository: its answer shows that it was reached. */
  async function reaches(host: string, environment: Record<string, string> = {}): Promise<void> {
    const place = ['--from', `https://${host}:${port}`, '--tlscacert', 'keys/tls/ca.crt']
    const { stderr } = await terminal.run(['repo', 'adopt', GUN, ...place], environment)
    assert.match(stderr, new RegExp(`https://${host}:${port} has no trust data for ${GUN}`))
  }

  test('requests to other servers go through the proxy', async () => {
    await reaches(hostname())
    assert.deepEqual([...new Set(proxy.asked)], [`${hostname()}:${port}`])
  })

  test('requests to this machine or to names in NO_PROXY use no proxy', async () => {
    proxy.asked.length = 0
    await reaches('localhost')
    // A port that fetch does not refuse itself, and on which nobody listens.
    for (const named of [hostname(), '*']) {
      await terminal.run(['repo', 'adopt', GUN, '--from', `https://${hostname()}:49151`], { NO_PROXY: named })
    }
    assert.deepEqual(proxy.asked, [])
    assert.deepEqual(await terminal.run(['repo', 'list']), { code: 0, stdout: 'no repositories\n', stderr: '' })
  })

  test('a proxy without a scheme is an HTTP proxy, as for docker; NO_PROXY=* disables it', async () => {
    proxy.asked.length = 0
    const HTTPS_PROXY = (terminal.environment['HTTPS_PROXY'] ?? '').replace('http://', '')
    await reaches(hostname(), { HTTPS_PROXY })
    assert.deepEqual([...new Set(proxy.asked)], [`${hostname()}:${port}`])
    proxy.asked.length = 0
    await reaches(hostname(), { NO_PROXY: 'trust.example.com, *' })
    assert.deepEqual(proxy.asked, [])
  })

  test('unencrypted requests stay on this machine, without a proxy', async () => {
    proxy.asked.length = 0
    const { HTTPS_PROXY = '' } = terminal.environment
    for (const from of ['http://127.0.0.2:2', `https://${hostname()}:2`]) {
      const { code } = await terminal.run(['repo', 'adopt', GUN, '--from', from], {
        HTTPS_PROXY: from.startsWith('http:') ? HTTPS_PROXY : '',
        HTTP_PROXY: HTTPS_PROXY,
        http_proxy: HTTPS_PROXY,
      })
      assert.equal(code, 2)
    }
    assert.deepEqual(proxy.asked, [])
  })

  test('unencrypted requests use no proxy even if Node itself follows HTTP_PROXY', async () => {
    const told: string[] = []
    const refuses = createServer().on('connect', ({ url = '' }, client) => {
      told.push(url)
      client.end('HTTP/1.1 403 Not you\r\n\r\n')
    })
    await once(refuses.listen(0, '127.0.0.1'), 'listening')
    const HTTP_PROXY = `http://127.0.0.1:${(refuses.address() as AddressInfo).port}`
    const environment = { HTTPS_PROXY: '', HTTP_PROXY, NODE_USE_ENV_PROXY: '1' }
    await terminal.run(['repo', 'adopt', GUN, '--from', 'http://localhost:49151'], environment)
    refuses.close()
    assert.deepEqual(told, [])
  })

  test('a refusal by the proxy is reported', async () => {
    const refuses = createServer().on('connect', (_, client) => client.end('HTTP/1.1 407 Who are you\r\n\r\n'))
    await once(refuses.listen(0, '127.0.0.1'), 'listening')
    const HTTPS_PROXY = `http://me:hemlock@127.0.0.1:${(refuses.address() as AddressInfo).port}`
    const place = ['--from', `https://${hostname()}:${port}`]
    const { stderr } = await terminal.run(['repo', 'adopt', GUN, ...place], { HTTPS_PROXY })
    refuses.close()
    assert.match(stderr, /^error: cannot reach https:\S+\nhint: Proxy response \(407\)/)
    assert.doesNotMatch(stderr, /hemlock/)
  })

  test('an invalid proxy URL is reported without its password', async () => {
    for (const HTTPS_PROXY of ['http://me:hem%lock@proxy', 'http://me:hemlock@[::', ' ']) {
      const { code, stdout, stderr } = await terminal.run(['repo', 'list'], { HTTPS_PROXY })
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
      assert.equal(stderr, 'error: HTTPS_PROXY is not the URL of a proxy\nhint: http://proxy.example.com:3128 is one\n')
    }
  })
})
