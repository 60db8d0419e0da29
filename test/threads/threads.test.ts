import assert from 'node:assert/strict'
import { request as requestHere, type ClientRequest, type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { checkStore } from '../../src/admin/check.ts'
import { isReference } from '../../src/signing/pkcs11/reference.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { addPerson, worldOf } from '../support/people.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { multipartForm, tufPath } from '../support/upload.ts'

const THREADS = 3
const ONCE = { connection: 'close' }

/** Opens a new connection each time, as docker and notary do, so that the system spreads them over the threads. */
const get = (server: TestServer, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  exchange(server, { path, headers: { ...ONCE, ...headers } })

function post(server: TestServer, world: TrustWorld, role: string): Promise<Answer> {
  const { contentType, body } = multipartForm(world.nextParts(role))
  const headers = { ...ONCE, 'content-type': contentType }
  return exchange(server, { method: 'POST', path: tufPath(world.gun), headers, body })
}

async function publishedWorld(server: TestServer, gun: string): Promise<TrustWorld> {
  const serverKeys = keysFrom(server, gun)
  const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys, snapshot: 'server' })
  await world.publishFirst(server)
  return world
}

const findings = async ({ running }: TestServer): Promise<unknown> =>
  (await checkStore.run(worldOf(running), {}, { name: 'test' })).findings

describe('a server with three threads', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer({ threads: THREADS })
  })
  after(() => server.stop())

  test('a publish through one thread is read through all at once, and their requests are counted together', async () => {
    const world = await publishedWorld(server, 'threads.example/read')
    for (let round = 0; round < 20; round += 1) {
      world.addTarget(`v${round}`)
      assert.equal((await post(server, world, 'targets')).status, 200)
      for (let reader = 0; reader < 4; reader += 1) {
        const { body } = await get(server, tufPath(world.gun, 'targets.json'))
        assert.deepEqual(body, world.files.get('targets'))
      }
    }
    // A request is counted once its answer has been sent.
    await until('all requests to be counted', async () => {
      const metrics = (await get(server, '/metrics')).body.toString()
      assert.match(metrics, /^countersign_store_writable 1$/m)
      return /^\S+requests_total\{operation="GetRole",method="get",code="200"\} 80$/m.test(metrics)
    })
  })

  test('16 simultaneous publishes to independent delegations succeed, through whichever threads', async () => {
    const world = await publishedWorld(server, 'threads.example/delegations')
    const roles = Array.from({ length: 16 }, (_, index) => `targets/d${index}`)
    for (const role of roles) world.delegate(role, [makeKey('ecdsa')])
    assert.equal((await post(server, world, 'targets')).status, 200)
    for (const role of roles) world.addTarget(`in ${role}`, role)
    const answers = await Promise.all(roles.map((role) => post(server, world, role)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.deepEqual(await findings(server), [])
  })

  test('of simultaneous publishes with the same version exactly one succeeds', async () => {
    const world = await publishedWorld(server, 'threads.example/race')
    for (let round = 0; round < 10; round += 1) {
      const version = world.targets.version
      const racers = Array.from({ length: 8 }, (_, index) => {
        world.targets.version = version
        world.addTarget(`by ${index}`)
        return post(server, world, 'targets')
      })
      const statuses = (await Promise.all(racers)).map(({ status }) => status)
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [200, 400, 400, 400, 400, 400, 400, 400],
      )
    }
  })

  test('metrics of the process appear once, whichever thread answers', async () => {
    for (let round = 0; round < 8; round += 1) {
      const text = (await get(server, '/metrics')).body.toString()
      for (const name of ['process_start_time_seconds', 'process_open_fds', 'nodejs_heap_size_used_bytes']) {
        assert.equal(text.match(new RegExp(`^${name} [1-9]`, 'gm'))?.length, 1, name)
      }
    }
  })

  test('every thread answers with the health of the process', async () => {
    for (let round = 0; round < 8; round += 1) {
      const { status, body } = await get(server, '/healthz/ready')
      assert.deepEqual([status, body.toString()], [200, '{}'])
    }
  })
})

test('a failed write reopens the database in all threads, and all go on', async (t) => {
  let failing = false
  const faults = (step: string): void => {
    if (failing && step === 'batch:before') {
      failing = false
      throw new Error('disk full')
    }
  }
  const server = await startTestServer({ threads: THREADS, faults })
  t.after(() => server.stop())
  const world = await publishedWorld(server, 'threads.example/faults')
  for (let round = 0; round < 10; round += 1) {
    failing = true
    world.addTarget(`v${round}`)
    const answer = await post(server, world, 'targets')
    assert.equal(answer.status, 503)
    await until('the store to be writable', () => server.running.store.readiness().writable)
    world.targets.version -= 1
    assert.equal((await post(server, world, 'targets')).status, 200)
    for (let reader = 0; reader < 6; reader += 1) {
      assert.deepEqual((await get(server, tufPath(world.gun, 'targets.json'))).body, world.files.get('targets'))
    }
  }
  assert.deepEqual(await findings(server), [])
})

test('a token of one thread is accepted by all, and wrong passwords are counted across threads', async (t) => {
  const server = await startTestServer({ threads: THREADS, settings: { access: { mode: 'built-in' } } })
  t.after(() => server.stop())
  await addPerson(server.running, 'alice', ['read,sign:threads.example/*'], 'correct horse')
  const ask = (password: string): Promise<Answer> => {
    const authorization = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`
    const query = 'service=countersign&scope=repository:threads.example/app:push,pull'
    return get(server, `/auth/token?${query}`, { authorization })
  }
  const { token } = JSON.parse((await ask('correct horse')).body.toString()) as { token: string }
  for (let round = 0; round < 8; round += 1) {
    const path = tufPath('threads.example/app', 'timestamp.key')
    assert.equal((await get(server, path, { authorization: `Bearer ${token}` })).status, 200)
    assert.equal((await get(server, path)).status, 401)
  }
  let [failures, last] = [0, 0]
  for (let guess = 0; guess < 8; guess += 1) {
    const asked = Date.now()
    const { status } = await ask(`wrong ${guess}`)
    // A second after the fifth failure, and twice as long after each further one. On a busy machine that may be over.
    const mustWait = failures >= 5 && Date.now() - last < 1_000 * 2 ** (failures - 5)
    if (failures < 5 || mustWait) assert.equal(status, mustWait ? 429 : 401, `guess ${guess}`)
    if (status === 429) continue
    failures += 1
    last = asked
  }
})

test('keys in a token are made and used through all threads', { skip }, async (t) => {
  const token = await SoftToken.create()
  const signers = { pkcs11: token.settings, rules: [{ signer: 'pkcs11' as const }] }
  const server = await startTestServer({ threads: THREADS, settings: { signers } })
  t.after(async () => {
    await server.stop()
    await token.remove()
  })
  const world = await publishedWorld(server, 'threads.example/token')
  for (let round = 0; round < 8; round += 1) {
    world.addTarget(`v${round}`)
    assert.equal((await post(server, world, 'targets')).status, 200)
  }
  const offered = (): Promise<Answer> => get(server, tufPath('threads.example/waiting', 'timestamp.key'))
  const keys = await Promise.all(Array.from({ length: 8 }, async () => (await offered()).body.toString()))
  assert.equal(new Set(keys).size, 1)
  for (const gun of [world.gun, 'threads.example/waiting']) {
    const held = server.running.store.keys(parseGun(gun), 'timestamp')
    assert.deepEqual(
      held.map(({ sealed }) => isReference(sealed)),
      [true],
    )
  }
  // A check has a thread of its own, which asks for the token too.
  const check = async (): Promise<string> => {
    const socketPath = join(server.directory, 'data', 'control.sock')
    const [answer] = (await once(requestHere({ socketPath, path: '/api/v1/check' }).end(), 'response')) as [
      IncomingMessage,
    ]
    return text(answer)
  }
  assert.match(await check(), /"findings":\[\]/)
  await token.takeAway()
  assert.match(
    await check(),
    /^\{"error":\{"code":"SIGNER_UNAVAILABLE","message":"the PKCS#11 token cannot be reached: /,
  )
  await token.putBack()
})

test('after a change of rule or algorithm, no thread hands out a pending key of before', { skip }, async (t) => {
  const token = await SoftToken.create()
  const rules = [{ signer: 'pkcs11' as const }]
  const server = await startTestServer({ threads: THREADS, settings: { signers: { pkcs11: token.settings } } })
  t.after(async () => {
    await server.stop()
    await token.remove()
  })
  // Of two pending keys the one with the lower id would be handed out.
  const guns = ['a', 'b', 'c', 'd'].map((name) => `threads.example/${name}`)
  const offered = async (gun: string): Promise<string> =>
    (await get(server, tufPath(gun, 'timestamp.key'))).body.toString()
  const seen = new Set(await Promise.all(guns.map(offered)))
  for (const keyAlgorithm of ['ecdsa', 'ed25519'] as const) {
    await server.restart({ signers: { pkcs11: { ...token.settings, keyAlgorithm }, rules } })
    for (const gun of guns) {
      const keys = await Promise.all(Array.from({ length: 8 }, () => offered(gun)))
      assert.equal(new Set(keys).size, 1)
      assert.ok(!seen.has(keys[0] ?? ''))
      seen.add(keys[0] ?? '')
    }
  }
})

test('more threads do not allow more connections: each has its part of the limit', async (t) => {
  const server = await startTestServer({ threads: THREADS, settings: { limits: { connections: 6 } } })
  t.after(() => server.stop())
  const { port } = server.running
  const sockets = Array.from({ length: 60 }, () => connect({ port, host: 'localhost', rejectUnauthorized: false }))
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  const outcomes = await Promise.allSettled(sockets.map((socket) => once(socket, 'secureConnect')))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 6)
})

test('a stop finishes the running requests of every thread', async () => {
  const server = await startTestServer({ threads: THREADS })
  const worlds: TrustWorld[] = []
  for (let index = 0; index < 6; index += 1) worlds.push(await publishedWorld(server, `threads.example/stop${index}`))
  const answers = worlds.map((world) => {
    world.addTarget('last')
    return post(server, world, 'targets').then(
      ({ status }) => status,
      (error: NodeJS.ErrnoException) => error.code,
    )
  })
  await pause(5)
  await server.stop()
  // Accepted requests were answered, later ones refused.
  for (const answer of await Promise.all(answers)) {
    assert.ok([200, 'ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(answer ?? ''), String(answer))
  }
})

test('the log has a line for every request, whichever thread answered, up to the last before a stop', async () => {
  const lines: Line[] = []
  let further = ''
  const log = Object.assign(keptLog(lines), { lines: (text: string) => void (further += text) })
  const server = await startTestServer({ threads: THREADS, log, settings: { logLevel: 'info' } })
  const ask = async (): Promise<string> =>
    String((await get(server, tufPath('threads.example/none', 'root.json'))).headers['x-request-id'])
  const asked = await Promise.all(Array.from({ length: 48 }, ask))
  await server.stop()
  assert.notEqual(further, '')
  const missing = asked.filter((id) => !further.includes(id) && !lines.some(({ requestId }) => requestId === id))
  assert.deepEqual(missing, [])
})

test('a stop lets every thread finish what it has begun to receive', async () => {
  const server = await startTestServer({ threads: THREADS })
  const world = await publishedWorld(server, 'threads.example/begun')
  world.addTarget('last')
  // The first one publishes it, and the others find it published.
  const { contentType, body } = multipartForm(world.nextParts('targets'))
  const begin = async (): Promise<ClientRequest> => {
    const headers = { ...ONCE, expect: '100-continue', 'content-type': contentType, 'content-length': body.length }
    const { port } = server.running
    const path = tufPath(world.gun)
    const asking = request({ host: 'localhost', port, ca: server.ca, method: 'POST', path, headers })
    asking.flushHeaders()
    await once(asking, 'continue')
    return asking
  }
  const begun = await Promise.all(Array.from({ length: 24 }, begin))
  const stopped = server.stop()
  const answers = begun.map(async (asking) => {
    const answered = once(asking, 'response') as Promise<[IncomingMessage]>
    asking.end(body)
    const [{ statusCode }] = await answered
    return statusCode
  })
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([200]))
  await stopped
})
