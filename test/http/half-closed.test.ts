import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'

/** The first request for a GUN makes and commits a key. */
const get = (gun: string): string => `GET ${tufPath(gun, 'snapshot.key')} HTTP/1.1\r\nHost: x\r\n\r\n`

for (const transport of ['tls', 'plain'] as const) {
  describe(`a client that closes its side after its last request, ${transport}`, () => {
    let server: TestServer

    before(async () => {
      const limits = { keepAliveSeconds: 3_600, headersSeconds: 3_600, requestSeconds: 3_600 }
      server = await startTestServer({ transport, settings: { limits } })
    })
    after(() => server.stop())

    test('gets all answers, however long they take, and then the end', async () => {
      const connection = await RawConnection.open(server)
      connection.socket.end(get('a') + get('b') + get('c'))
      for (const _ of ['a', 'b', 'c']) assert.match(await connection.answer(), /^HTTP\/1\.1 200 [^]*"keyval"/)
      await connection.closed()
      assert.equal(connection.rest, '')
    })

    test('gets them also on a connection that has had answers before', async () => {
      const connection = await RawConnection.open(server)
      assert.match(await connection.ask(get('d')), /^HTTP\/1\.1 200 /)
      connection.socket.end(get('e'))
      assert.match(await connection.answer(), /^HTTP\/1\.1 200 [^]*"keyval"/)
      await connection.closed()
    })

    test('is disconnected at once if nothing is pending, or half a request is', async () => {
      for (const begun of [
        '',
        'GET /v2/ HT',
        `POST ${tufPath('f')} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc`,
      ]) {
        const connection = await RawConnection.open(server)
        assert.match(await connection.ask(get('d')), /^HTTP\/1\.1 200 /)
        connection.socket.end(begun)
        await connection.closed()
        assert.doesNotMatch(connection.rest, /^HTTP\/1\.1 [^4]/)
      }
    })

    test('is disconnected at once, even if it asked for nothing, or only for what others have asked for', async () => {
      const ping = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'
      for (const asked of [0, 1, 1, 1, 2]) {
        const connection = await RawConnection.open(server)
        for (let count = 0; count < asked; count += 1) assert.match(await connection.ask(ping), /^HTTP\/1\.1 200 /)
        connection.socket.end()
        await connection.closed()
      }
    })
  })
}
