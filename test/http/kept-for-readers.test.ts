import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { revokeToken } from '../../src/admin/tokens.ts'
import { setUser } from '../../src/admin/users.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { readByNode } from '../support/read-by-node.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const PASSWORD = 'correct horse'
const LIFE_SECONDS = 120
/** Allowed clock difference, in seconds. */
const LEEWAY = 60
const ACTOR = { name: 'local' }

for (const publicReads of [false, true]) {
  describe(`a kept answer for authorized readers, publicReads ${publicReads}`, () => {
    let server: TestServer
    const log: Line[] = []
    const nobody = publicReads ? 200 : 401

    before(async () => {
      const access = { mode: 'built-in', publicReads, tokenLifeSeconds: LIFE_SECONDS } as const
      server = await startTestServer({ transport: 'plain', settings: { access }, log: keptLog(log) })
      await addPerson(server.running, 'reader', ['read:example.org/team/*'], PASSWORD)
      await addPerson(server.running, 'stranger', ['read:example.org/peer/*'], PASSWORD)
      const authorization = `Bearer ${await makeToken(server.running, 'publisher', ['sign:example.org/*'])}`
      const signed = { url: server.url, authorization }
      const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(signed, GUN) })
      await world.publishFirst(signed)
    })
    after(() => server.stop())

    const get = (token?: string): Promise<Answer> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return exchange(server, { path: tufPath(GUN, 'root.json'), headers })
    }
    const statusFor = async (token?: string): Promise<number> => (await get(token)).status

    /** @param user omitted: an anonymous token, which the endpoint issues, too */
    async function webToken(user?: string): Promise<string> {
      const basic = { authorization: `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}` }
      const headers = user === undefined ? {} : basic
      // Nobody needs to log in for what is public.
      const actions = user === undefined ? 'pull' : 'pull,push'
      const path = `/auth/token?service=countersign&scope=${encodeURIComponent(`repository:${GUN}:${actions}`)}`
      const { body } = await exchange(server, { path, headers })
      return (JSON.parse(body.toString()) as { token: string }).token
    }

    test('is the same for this reader and for another', async () => {
      const token = await webToken('reader')
      const [first, second, other] = [await get(token), await get(token), await get(await webToken('reader'))]
      assert.equal(first.status, 200)
      for (const again of [second, other]) {
        assert.deepEqual(again.body, first.body)
        const { 'x-request-id': one, date: _, ...headers } = first.headers
        const { 'x-request-id': two, date: __, ...same } = again.headers
        assert.notEqual(one, two)
        assert.deepEqual(same, headers)
      }
      for (const { headers } of [first, second, other]) {
        const line = (): Line | undefined => log.find(({ requestId }) => requestId === headers['x-request-id'])
        await until('its line', () => line() !== undefined)
        assert.equal(line()?.['actor'], 'user:reader')
      }
      assert.match(first.headers['cache-control'] ?? '', publicReads ? /public/ : /private/)
    })

    test('is not sent to anonymous clients, to readers without the grant, or for an invalid token', async () => {
      const token = await webToken('reader')
      assert.equal(await statusFor(token), 200)
      assert.equal(await statusFor(), nobody)
      const ofStranger = await webToken('stranger')
      for (const token of [ofStranger, ofStranger]) assert.equal(await statusFor(token), nobody)
      for (const wrong of [`${token}x`, token.slice(0, -1), 'x', `cs_${'0'.repeat(16)}_${'A'.repeat(43)}`]) {
        for (const token of [wrong, wrong]) assert.equal(await statusFor(token), 401, token)
      }
    })

    test('of the ping is not sent for an anonymous token', async () => {
      const ping = async (token: string): Promise<number> =>
        (await exchange(server, { path: '/v2/', headers: { authorization: `Bearer ${token}` } })).status
      const [ofReader, ofNobody] = [await webToken('reader'), await webToken()]
      for (const again of [1, 2]) {
        assert.equal(await ping(ofReader), 200, `${again}`)
        assert.equal(await ping(ofNobody), 401, `${again}`)
      }
      assert.equal(await statusFor(ofNobody), nobody)
    })

    test('is not sent after the token has expired, or before it is valid', async () => {
      const token = await webToken('reader')
      const madeAt = server.clock.now
      assert.equal(await statusFor(token), 200)
      for (const [seconds, status] of [
        [59, 200],
        [LIFE_SECONDS + LEEWAY - 1, 200],
        [LIFE_SECONDS + LEEWAY + 1, 401],
        [-LEEWAY - 11, 401],
      ] as const) {
        server.clock.now = madeAt + seconds * 1000
        assert.equal(await statusFor(token), status, `${seconds} s`)
      }
      server.clock.now = madeAt
    })

    test('is not sent once the user is disabled or the token revoked', async () => {
      const world = worldOf(server.running)
      await addPerson(server.running, 'leaver', ['read:example.org/team/*'], PASSWORD)
      const ofLeaver = await webToken('leaver')
      const ofProgram = await makeToken(server.running, 'program', ['read:example.org/team/*'])
      for (const token of [ofLeaver, ofProgram, ofLeaver, ofProgram]) assert.equal(await statusFor(token), 200)
      await setUser.run(world, { name: 'leaver', disabled: true }, ACTOR)
      await revokeToken.run(world, { token: 'program' }, ACTOR)
      for (const token of [ofLeaver, ofProgram]) assert.equal(await statusFor(token), 401)
      await setUser.run(world, { name: 'leaver', disabled: false, grants: [] }, ACTOR)
      assert.equal(await statusFor(ofLeaver), nobody)
    })

    test('is not sent to anonymous clients, whose refusal is itself kept: at the ping, too', async () => {
      const token = await webToken('reader')
      const ask = async (path: string, headers = ''): Promise<string> => {
        const connection = await RawConnection.open(server)
        const answer = await connection.ask(
          `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`,
        )
        await connection.closed()
        return answer.replace(/(x-request-id|date): [^\r]*\r\n/gi, '')
      }
      const sorted = (answer: string): string[] => answer.split('\r\n').toSorted()
      for (const path of ['/v2/', tufPath(GUN, 'timestamp.key'), ...(publicReads ? [] : [tufPath(GUN, 'root.json')])]) {
        log.length = 0
        const first = await ask(path)
        assert.match(first, /^HTTP\/1\.1 401 Unauthorized\r\n/)
        assert.match(first, /\r\nWWW-Authenticate: Bearer realm="[^"]+",service="countersign",scope="[^"]+"\r\n/)
        // The first request keeps the answer; the second makes the request known by its bytes.
        for (const again of [1, 2]) assert.deepEqual(sorted(await ask(path)), sorted(first), `${again}`)
        const read = await readByNode(async () => assert.deepEqual(sorted(await ask(path)), sorted(first)))
        assert.equal(read, 0)
        await until('four lines', () => log.length >= 4)
        const [line, ...others] = log.map((each): Line => ({ ...each, requestId: '', ms: 0, address: '' }))
        assert.equal(line?.['refused'], 'no credentials')
        for (const other of others) assert.deepEqual(other, line)
        assert.match(await ask(path, bearer('x')), /error="invalid_token"/)
        // A kept refusal does not stand in for the answer to a valid token.
        const granted = async (): Promise<void> =>
          assert.match(await ask(path, bearer(token)), /^HTTP\/1\.1 200 OK\r\n/)
        if (!path.endsWith('.key')) {
          for (const _ of [1, 2]) await granted()
          assert.equal(await readByNode(granted), 0)
        }
        assert.deepEqual(sorted(await ask(path)), sorted(first))
      }
    })

    test('is not the refusal kept for another method on the same URL', async () => {
      const gun = 'example.org/team/other'
      const scopeFor = async (method: string): Promise<string | undefined> => {
        const { headers } = await exchange(server, { method, path: tufPath(gun, 'timestamp.key') })
        return /scope="([^"]+)"/.exec(String(headers['www-authenticate']))?.[1]
      }
      for (const _ of [1, 2]) {
        assert.equal(await scopeFor('POST'), `repository:${gun}:*`)
        assert.equal(await scopeFor('GET'), `repository:${gun}:push,pull`)
      }
    })

    const request = (headers: string, file = 'root.json'): string =>
      `GET ${tufPath(GUN, file)} HTTP/1.1\r\nHost: localhost\r\n${headers}User-Agent: docker/28\r\n\r\n`
    const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`
    const statusOn = async (connection: RawConnection, text: string): Promise<number> =>
      Number((await connection.ask(text)).slice(9, 12))

    test('is sent for a known request with any token that may read, and no longer than it may', async () => {
      const world = worldOf(server.running)
      const program = await makeToken(server.running, 'passing', ['read:example.org/team/*'])
      const otherCase = request(`authorization: bearer ${program}\r\n`)
      const [one, other] = [await RawConnection.open(server), await RawConnection.open(server)]
      for (const text of [request(bearer(program)), otherCase]) {
        for (const connection of [one, one, one]) assert.equal(await statusOn(connection, text), 200)
      }
      const tokens = [await webToken('reader'), program, await webToken('reader')]
      const read = await readByNode(async () => {
        for (const connection of [one, other]) {
          for (const token of tokens) assert.equal(await statusOn(connection, request(bearer(token))), 200)
        }
      })
      assert.equal(read, 0)
      await revokeToken.run(world, { token: 'passing' }, ACTOR)
      for (const connection of [one, other]) {
        for (const text of [request(bearer(program)), otherCase]) assert.equal(await statusOn(connection, text), 401)
        assert.equal(await statusOn(connection, request(bearer(await webToken('stranger')))), nobody)
        assert.equal(await statusOn(connection, request(bearer(await webToken('reader')))), 200)
        connection.socket.destroy()
      }
    })

    test('is not sent for a missing or repeated token: Node reads such a request', async () => {
      const token = await makeToken(server.running, 'careful', ['read:example.org/team/*'])
      const connection = await RawConnection.open(server)
      for (const again of [1, 2, 3]) assert.equal(await statusOn(connection, request(bearer(token))), 200, `${again}`)
      const odd = [
        ['Authorization: Bearer \r\n', nobody],
        ['Authorization: Bearer\r\n', nobody],
        [`Authorization: Bearer ${token} ${token}\r\n`, nobody],
        [`Authorization: Basic ${token}\r\n`, 401],
        [`Authorization: Bearer ${token}\u00e9\r\n`, 401],
        [`${bearer(token)}${bearer(token)}`, 401],
        [`${bearer(token)}authorization: Bearer x\r\n`, 401],
        [`authorization: bearer ${token}\r\n`, 200],
        [bearer(`${token}x`), 401],
        [bearer('a'.repeat(3_000)), 401],
        [bearer('a'.repeat(6_000)), 401],
      ] as const
      const read = await readByNode(async () => {
        for (const again of [1, 2, 3]) {
          for (const [headers, status] of odd) {
            assert.equal(await statusOn(connection, request(headers)), status, `${headers} ${again}`)
          }
        }
      })
      assert.equal(read, 3 * odd.length)
      connection.socket.destroy()
    })

    test('is not sent for a token over the length limit, even if the rest of the request is known', async () => {
      const token = await makeToken(server.running, 'short', ['read:example.org/team/*'])
      await server.restart({ limits: { tokenBytes: bearer(token).length - 'Authorization: \r\n'.length } })
      const connection = await RawConnection.open(server)
      for (const again of [1, 2, 3]) assert.equal(await statusOn(connection, request(bearer(token))), 200, `${again}`)
      assert.equal(await statusOn(connection, request(bearer(`${token}x`))), 401)
      assert.equal(await statusOn(connection, request(bearer(await webToken('reader')))), 401)
      connection.socket.destroy()
    })
  })
}
