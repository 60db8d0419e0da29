import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { remoteKeys } from '../../src/access/remote-keys.ts'
import { until } from '../support/until.ts'
import { keySetOf, makeServiceKeys } from './token-forge.ts'

const MINUTE = 60_000

describe('a fetched key set', () => {
  const { p256, ed, rsa } = makeServiceKeys()
  let service: Server
  let url: string
  let asked = 0
  let content = ''
  let status = 200
  let isSilent = false
  const failures: string[] = []
  let fetched = 0
  const noted = (failure: string | undefined): void => {
    if (failure === undefined) fetched += 1
    else failures.push(failure)
  }

  before(async () => {
    service = createServer((request, response) => {
      asked += 1
      if (isSilent || request.url === '/silent') return
      if (request.url === '/moved') response.writeHead(302, { location: url }).end()
      else response.writeHead(status).end(content)
    }).listen(0, '127.0.0.1')
    await once(service, 'listening')
    url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/jwks`
  })
  after(() => {
    service.closeAllConnections()
    service.close()
  })
  beforeEach(() => {
    asked = 0
    fetched = 0
    status = 200
    isSilent = false
    content = JSON.stringify(keySetOf({ p256 }))
    failures.length = 0
  })

  const header = (kid: string | undefined, algorithm = 'ES256'): Parameters<ReturnType<typeof remoteKeys>>[0] => {
    return { algorithm, kid, x5c: undefined }
  }

  test('is fetched once, again after ten minutes or for a new key id, but not for each unknown one', async () => {
    const find = remoteKeys(url, noted)
    assert.ok((await find(header('p256'), 0))?.key.equals(p256.publicKey))
    assert.ok(await find(header('p256'), MINUTE))
    assert.equal(asked, 1)
    content = JSON.stringify(keySetOf({ p256, ed }))
    assert.ok(await find(header('ed', 'EdDSA'), 2 * MINUTE))
    assert.equal(asked, 2)
    for (let index = 0; index < 20; index += 1)
      assert.equal(await find(header(`no-${index}`), 2 * MINUTE + 100), undefined)
    assert.deepEqual([asked, fetched], [2, 2])
    // The service has withdrawn this key.
    content = JSON.stringify(keySetOf({ ed }))
    assert.ok(await find(header('p256'), 11 * MINUTE))
    assert.equal(await find(header('p256'), 13 * MINUTE), undefined)
  })

  test('is fetched for a new key id also after the clock was ahead', async () => {
    const find = remoteKeys(url, noted)
    assert.ok(await find(header('p256'), 365 * 24 * 60 * MINUTE))
    content = JSON.stringify(keySetOf({ p256, ed }))
    assert.ok(await find(header('ed', 'EdDSA'), 0))
    assert.ok(await find(header('p256'), MINUTE))
    assert.equal(asked, 2)
  })

  test('is fetched once for many concurrent requests', async () => {
    const find = remoteKeys(url, noted)
    const found = await Promise.all(Array.from({ length: 10 }, async () => find(header('p256'), 0)))
    assert.equal(found.filter((each) => each !== undefined).length, 10)
    assert.equal(asked, 1)
  })

  test('stays in use for a day while the service fails', async () => {
    const find = remoteKeys(url, noted)
    assert.ok(await find(header('p256'), 0))
    status = 500
    assert.ok(await find(header('p256'), 20 * MINUTE))
    assert.deepEqual(failures, ['it answered 500'])
    assert.equal(await find(header('p256'), 25 * 60 * MINUTE), undefined)
    status = 200
    assert.ok(await find(header('p256'), 26 * 60 * MINUTE))
  })

  test('is fetched again after the clock was ahead', async () => {
    const find = remoteKeys(url, noted)
    const ahead = 365 * 24 * 60 * MINUTE
    assert.ok(await find(header('p256'), ahead))
    // The service now has other keys.
    content = JSON.stringify(keySetOf({ ed }))
    assert.ok(await find(header('ed', 'EdDSA'), MINUTE))
    assert.equal(await find(header('p256'), 2 * MINUTE), undefined)
  })

  test('is given up if the service does not answer in time', async (t) => {
    const limit = new AbortController()
    t.mock.method(AbortSignal, 'timeout', () => limit.signal)
    const find = remoteKeys(url.replace('/jwks', '/silent'), noted)
    const found = find(header('p256'), 0)
    await until('it to be asked', () => asked > 0)
    limit.abort()
    await until('it to be given up', () => failures.length > 0)
    assert.equal(await found, undefined)
  })

  test('delays known keys only once if the service stops answering', async (t) => {
    const limits: AbortController[] = []
    t.mock.method(
      AbortSignal,
      'timeout',
      () => (limits[limits.push(new AbortController()) - 1] ?? assert.fail()).signal,
    )
    const find = remoteKeys(url, noted)
    assert.ok(await find(header('p256'), 0))
    isSilent = true
    const first = find(header('p256'), 20 * MINUTE)
    assert.ok(first instanceof Promise)
    limits.at(-1)?.abort()
    assert.ok(await first)
    assert.equal(failures.length, 1)
    const asking = asked
    assert.ok(!(find(header('p256'), 21 * MINUTE) instanceof Promise))
    await until('it to be asked once more', () => asked > asking)
    // A token with an unknown key waits until the service has answered or failed.
    const unknown = find(header('ed', 'EdDSA'), 21 * MINUTE)
    assert.ok(unknown instanceof Promise)
    limits.at(-1)?.abort()
    assert.equal(await unknown, undefined)
    isSilent = false
    content = JSON.stringify(keySetOf({ ed }))
    assert.ok(!(find(header('p256'), 22 * MINUTE) instanceof Promise))
    await until('the new set', () => find(header('p256'), 22 * MINUTE) === undefined)
  })

  test('may give a signing key and a key of another use the same id', async () => {
    const { keys } = keySetOf({ p256, rsa }) as { keys: { kid: string; kty: string }[] }
    const [own = assert.fail(), other = assert.fail()] = ['EC', 'RSA'].map((kty) => keys.find((key) => key.kty === kty))
    const ask = async (set: object[]): Promise<unknown> => {
      content = JSON.stringify({ keys: set })
      return remoteKeys(url, noted)(header('p256'), 0)
    }
    const encrypting = { ...other, kid: own.kid, use: undefined, alg: 'RSA-OAEP' }
    assert.ok(await ask([own, encrypting]))
    assert.ok(await ask([encrypting, own]))
    assert.equal(await ask([own, { ...other, kid: own.kid, use: 'sig', alg: undefined }]), undefined)
    assert.match(failures.at(-1) ?? '', /names the key id "p256" twice/)
  })

  test('is refused if redirected, too long or malformed', async () => {
    const ask = async (from: string): Promise<unknown> => remoteKeys(from, noted)(header('p256'), 0)
    assert.equal(await ask(url.replace('/jwks', '/moved')), undefined)
    content = JSON.stringify({ ...keySetOf({ p256 }), x: 'x'.repeat(300_000) })
    assert.equal(await ask(url), undefined)
    for (const text of ['', '{}', 'null', JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'p256' }] })]) {
      content = text
      assert.equal(await ask(url), undefined, text)
    }
    assert.equal(failures.length, 6)
    assert.equal(await ask('http://127.0.0.1:2/jwks'), undefined)
    assert.match(failures.at(-1) ?? '', /^connect ECONNREFUSED /)
  })

  test('has no key for a token without a key id, with another algorithm or with certificates', async () => {
    content = JSON.stringify(keySetOf({ p256, rsa }))
    const find = remoteKeys(url, noted)
    assert.equal(await find(header(undefined), 0), undefined)
    assert.equal(await find(header('p256', 'HS256'), 0), undefined)
    assert.equal(await find(header('p256', 'RS256'), 0), undefined)
    assert.equal(await find({ ...header('p256'), x5c: [Buffer.alloc(1)] }, 0), undefined)
    assert.ok(await find(header('rsa', 'RS512'), 0))
  })
})
