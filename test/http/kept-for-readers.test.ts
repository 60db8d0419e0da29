import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { revokeToken } from '../../src/admin/tokens.ts'
import { setUser } from '../../src/admin/users.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { addPerson, makeToken, worldOf } from '../support/people.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'example.org/team/app'
const PASSWORD = 'correct horse'
const LIFE_SECONDS = 120
/** Seconds that clocks may differ. */
const LEEWAY = 60
const ACTOR = { name: 'local' }

for (const publicReads of [false, true]) {
  describe(`an answer that is sent again to those who may read it, publicReads ${publicReads}`, () => {
    let server: TestServer
    const nobody = publicReads ? 200 : 401

    before(async () => {
      const access = { mode: 'built-in', publicReads, tokenLifeSeconds: LIFE_SECONDS } as const
      server = await startTestServer({ transport: 'plain', settings: { access } })
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

    async function webToken(user: string): Promise<string> {
      const headers = { authorization: `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}` }
      const path = `/auth/token?service=countersign&scope=${encodeURIComponent(`repository:${GUN}:pull`)}`
      const { body } = await exchange(server, { path, headers })
      return (JSON.parse(body.toString()) as { token: string }).token
    }

    test('is the same for the same reader, and for another one', async () => {
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
      assert.match(first.headers['cache-control'] ?? '', publicReads ? /public/ : /private/)
    })

    test('is not sent to nobody, to strangers, or for what is no token', async () => {
      const token = await webToken('reader')
      assert.equal(await statusFor(token), 200)
      assert.equal(await statusFor(), nobody)
      const ofStranger = await webToken('stranger')
      for (const token of [ofStranger, ofStranger]) assert.equal(await statusFor(token), nobody)
      for (const wrong of [`${token}x`, token.slice(0, -1), 'x', `cs_${'0'.repeat(16)}_${'A'.repeat(43)}`]) {
        for (const token of [wrong, wrong]) assert.equal(await statusFor(token), 401, token)
      }
    })

    test('is not sent once the token has ended, or before it began', async () => {
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

    test('is not sent from the moment on when the user or the token is taken away', async () => {
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

    test('is not sent for the bytes of a request with credentials, on whatever connection', async () => {
      const token = await makeToken(server.running, 'passing', ['read:example.org/team/*'])
      const request = `GET ${tufPath(GUN, 'root.json')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
      const [one, other] = [await RawConnection.open(server), await RawConnection.open(server)]
      const statusOn = async (connection: RawConnection): Promise<number> =>
        Number((await connection.ask(request)).slice(9, 12))
      for (const connection of [one, one, other, one]) assert.equal(await statusOn(connection), 200)
      await revokeToken.run(worldOf(server.running), { token: 'passing' }, ACTOR)
      for (const connection of [one, other]) assert.equal(await statusOn(connection), 401)
      for (const { socket } of [one, other]) socket.destroy()
    })
  })
}
