import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Bodies } from '../../src/http/body.ts'
import { newCount, newCounts } from '../../src/http/count.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { alteredSigner } from '../support/altered-signer.ts'
import { errorOf, exchange, type Answer } from '../support/exchange.ts'
import { keptLog, startLocalApp, type Line, type LocalApp } from '../support/local-app.ts'
import { fileMeta, signedFile } from '../support/metadata-file.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer } from '../support/server.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { multipartForm, tufPath, upload, type Part } from '../support/upload.ts'

const PATH = tufPath('limits.example/app')
const DAY = 86_400_000
const TYPE = 'multipart/form-data; boundary=b'

const open = (app: Pick<LocalApp, 'url'>, text: string): Socket => {
  const socket = connect(Number(new URL(app.url).port), 'localhost')
  socket.on('error', () => undefined)
  socket.write(text)
  return socket
}
const post = (length: number, body = '', path = PATH): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${TYPE}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`
const all = async (socket: Socket): Promise<string> => {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  await once(socket, 'close')
  return text
}

describe('size of an upload', () => {
  let app: LocalApp

  before(async () => {
    app = await startLocalApp({ settings: { limits: { bodyBytes: 100_000, partBytes: 20_000, parts: 4 } } })
  })
  after(() => app.close())

  const refusedFor = (answer: Answer, text: RegExp): void => {
    assert.equal(answer.status, 400)
    const { code, name, message } = errorOf(answer)
    assert.deepEqual([code, name], ['MALFORMED_UPLOAD', 'ErrValidation'])
    assert.match(message, text)
  }
  const form = (...sizes: number[]): Promise<Answer> =>
    upload(
      app,
      'limits.example/app',
      sizes.map((size) => ({ role: 'targets', bytes: Buffer.alloc(size, ' ') })),
    )

  test('parts, a part, and the whole have limits, which the refusal names', async () => {
    refusedFor(await form(20_001), /20000 bytes/)
    refusedFor(await form(1, 1, 1, 1, 1), /more than 4 parts/)
    refusedFor(await form(19_000, 19_000, 19_000, 19_000, 60_000), /larger than 100000 bytes/)
    // Below all limits it is parsed as JSON.
    assert.equal(errorOf(await form(20_000)).code, 'MALFORMED_JSON')
  })

  test('a body far over the limit is refused with the reason, with a Content-Length or in chunks', async () => {
    const body = Buffer.alloc(3_000_000, 'a')
    refusedFor(await exchange(app, { method: 'POST', path: PATH, headers: { 'content-type': TYPE }, body }), /larger/)
    const chunked = open(
      app,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
    )
    const answer = all(chunked)
    for (let sent = 0; sent < 30; sent += 1) chunked.write(`186a0\r\n${'a'.repeat(100_000)}\r\n`)
    chunked.write('0\r\n\r\n')
    assert.match(await answer, /^HTTP\/1\.1 400 .*larger than 100000 bytes/s)
  })

  test('a client that never stops sending is cut off, refused or not', async () => {
    const piece = `100000\r\n${'a'.repeat(0x100000)}\r\n`
    for (const path of [PATH, '/v2/nowhere']) {
      const socket = open(app, `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`)
      const over = all(socket).catch(() => undefined)
      let sent = 0
      while (!socket.destroyed && sent < 200) {
        sent += 1
        if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), over])
      }
      assert.ok(sent < 200, path)
    }
  })

  test('an answer that does not need the body is sent after the body has arrived', async () => {
    const body = 'a'.repeat(3_000_000)
    for (const [path, status] of [
      ['/v2/nowhere', 404],
      [tufPath('a*b'), 400],
    ] as const) {
      assert.match(await all(open(app, post(body.length, body, path))), new RegExp(`^HTTP/1.1 ${status} `))
    }
  })

  test('compressed bodies are refused', async () => {
    for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'GZIP', 'identity, gzip']) {
      const headers = { 'content-type': TYPE, 'content-encoding': encoding }
      refusedFor(await exchange(app, { method: 'POST', path: PATH, headers, body: '--b--' }), /compressed/)
    }
    const headers = { 'content-type': TYPE, 'content-encoding': 'identity' }
    const { message } = errorOf(await exchange(app, { method: 'POST', path: PATH, headers, body: '--b--' }))
    assert.match(message, /no pre-existing root/)
  })

  test('a client that disconnects midway leaves only a line in the log', async () => {
    const socket = open(app, post(1_000).replace('Host: x', 'Host: x\r\nExpect: 100-continue'))
    // The answer to Expect shows that the server has the request.
    await once(socket, 'data')
    const seen = app.lines.length
    socket.destroy()
    await until('its line', () => app.lines.length > seen)
    const line = app.lines.at(-1)
    assert.deepEqual([line?.['status'], line?.['operation'], line?.level], [499, 'UpdateTUF', 'info'])
    assert.equal((await exchange(app, { path: '/v2/' })).status, 200)
  })
})

test('signatures are limited, counted with those of all delegating roles', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  const gun = 'limits.example/signed'
  const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun), snapshot: 'server' })
  await world.publishFirst(app)
  const key = makeKey('ecdsa')
  const roles = ['targets/a', 'targets/a/b', 'targets/a/b/c']
  for (const role of roles) world.delegate(role, [key])
  const signed = (role: string, times: number): Part => {
    world.payload(role).version = 1
    return {
      role,
      bytes: signedFile(
        world.payload(role),
        Array.from({ length: times }, () => key),
      ),
    }
  }
  const [targets] = world.nextParts('targets')
  const [a, b, c] = roles.map((role) => signed(role, 100))
  for (const [parts, accepted] of [
    [[targets, a, b, c], false],
    [[targets, a, b], true],
    [[c], false],
    [[signed('targets/a/b/c', 50)], true],
  ] as [Part[], boolean][]) {
    const answer = await upload(app, gun, parts)
    assert.equal(answer.status, accepted ? 200 : 400)
    if (!accepted) assert.match(errorOf(answer).message, /more than 256 signatures/)
  }
})

test('keys in delegations are limited, counted with those of all delegating roles', async (t) => {
  const many = Array.from({ length: 2_700 }, () => makeKey('ed25519'))
  const app = await startLocalApp()
  t.after(() => app.close())
  const gun = 'limits.example/keys'
  const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun), snapshot: 'server' })
  await world.publishFirst(app)
  const key = makeKey('ecdsa')
  for (const role of ['targets/a', 'targets/a/b', 'targets/a/b/c']) world.delegate(role, [key])
  const [targets] = world.nextParts('targets')
  const naming = (role: string, from: number, to: number): Part => {
    world.delegate(`${role}/x`, many.slice(from, to))
    return world.nextParts(role)[0]!
  }
  const [a, b, c] = [
    naming('targets/a', 0, 900),
    naming('targets/a/b', 900, 1_800),
    naming('targets/a/b/c', 1_800, 2_700),
  ]
  for (const [parts, accepted] of [
    [[targets, a, b, c], false],
    [[targets, a, b], true],
    [[c], false],
    [[naming('targets/a/b/c', 1_800, 1_900)], true],
  ] as [Part[], boolean][]) {
    const answer = await upload(app, gun, parts)
    assert.equal(answer.status, accepted ? 200 : 400)
    if (!accepted) assert.match(errorOf(answer).message, /more than 2000 keys/)
  }
})

test('certificates count as keys, in a root and in delegations', async (t) => {
  const app = await startLocalApp()
  t.after(() => app.close())
  const gun = 'limits.example/certificates'
  const { now } = app.clock
  const key = makeKey('ecdsa')
  const intermediate = Buffer.from(makeRootKey(gun, now, { key, ca: true }).entry.keyval.public, 'base64').toString()
  const intermediates = Array.from({ length: 15 }, () => intermediate)
  const many = Array.from({ length: 126 }, (_, index) =>
    makeRootKey(gun, now, { key, intermediates, notAfter: now + DAY + index * 1_000 }),
  )
  const world = await TrustWorld.create({ gun, now, serverKeys: keysFrom(app, gun), snapshot: 'server' })
  const refused = async (parts: readonly Part[]): Promise<void> => {
    const answer = await upload(app, gun, parts)
    assert.equal(answer.status, 400)
    assert.match(errorOf(answer).message, /more than 2000 keys and certificates/)
  }
  const root = (count: number): Part[] => {
    const keys = many.slice(0, count)
    world.setKeys('root', keys)
    world.signers.set('root', keys.slice(0, 1))
    return world.parts('root', 'targets')
  }
  await refused(root(126))
  await world.send(app, root(124))
  const delegation = (count: number): Part[] => {
    world.delegate('targets/a', many.slice(0, count))
    return world.parts('targets')
  }
  world.targets.version += 1
  await refused(delegation(126))
  await world.send(app, delegation(124))
})

test('bodies being received share a limit, and the room becomes free again', async () => {
  const app = await startLocalApp({ settings: { limits: { parkedBytes: 100_000 } } })
  try {
    const parked = open(app, post(1_000_000, 'a'.repeat(90_000)))
    const second = await waitForBusy(app)
    assert.equal(second.status, 429)
    assert.equal(second.headers['retry-after'], '1')
    assert.equal(errorOf(second).code, 'TOOMANYREQUESTS')
    parked.destroy()
    await until('the line of the one that went away', () => app.lines.some(({ status }) => status === 499))
    assert.equal((await sendTwentyThousand(app)).status, 400)
  } finally {
    await app.close()
  }
})

const sendTwentyThousand = (app: LocalApp): Promise<Answer> =>
  exchange(app, { method: 'POST', path: PATH, headers: { 'content-type': TYPE }, body: 'a'.repeat(20_000) })

/** Sends until the limit is reached, because the first body takes an unknown time to arrive. */
async function waitForBusy(app: LocalApp): Promise<Answer> {
  for (;;) {
    const answer = await sendTwentyThousand(app)
    if (answer.status !== 400) return answer
  }
}

function memoryUsed(): NodeJS.MemoryUsage {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage()
}

test('a body in pieces of one byte takes little more memory than it counts for', async () => {
  const [size, perWrite] = [100_000, 10_000]
  const counts = newCounts()
  const bodies = new Bodies(size, counts)
  let received: Buffer | undefined
  const server = createServer((request, response) => {
    void bodies.read(request, size, undefined, async (body) => void (received = body)).then(() => response.end())
  })
  server.listen(0)
  await once(server, 'listening')
  const used = (): number => memoryUsed().heapUsed
  try {
    const before = used()
    const socket = connect((server.address() as AddressInfo).port, 'localhost')
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n')
    for (let sent = 0; sent < size; sent += perWrite) socket.write('1\r\na\r\n'.repeat(perWrite))
    await until('all of it to be parked', () => counts.all.add(0) === size)
    const each = (used() - before) / size
    assert.ok(each < 10, `${each} bytes for each`)
    const answer = all(socket)
    socket.write('0\r\n\r\n')
    assert.match(await answer, /^HTTP\/1\.1 200 /)
    assert.deepEqual(received, Buffer.alloc(size, 'a'))
    assert.equal(counts.all.add(0), 0)
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('a refused body takes no more room, even before its end has arrived, and one announced as too long none', async () => {
  let [parked, most] = [0, 0]
  const add = (bytes: number): number => {
    parked += bytes
    most = Math.max(most, parked)
    return parked
  }
  const limit = 8_000_000
  const bodies = new Bodies(2 * limit, { all: { add }, of: newCount })
  const server = createServer((request, response) => {
    bodies.read(request, limit, undefined, async () => undefined).catch(() => response.destroy())
  })
  server.listen(0)
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const body = Buffer.alloc(limit + 1, 'a')
    const begin = (headers: string): Socket => {
      const socket = connect(port, 'localhost').on('error', () => undefined)
      socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`)
      return socket
    }
    const announced = begin(`Content-Length: ${body.length}`)
    announced.write(body)
    await once(announced, 'close')
    assert.equal(most, 0)
    const before = memoryUsed().arrayBuffers
    const socket = begin('Transfer-Encoding: chunked')
    socket.write(`${body.length.toString(16)}\r\n`)
    socket.write(body)
    await until('it to be refused', () => most > limit)
    assert.equal(parked, 0)
    await until('its memory to be free', () => memoryUsed().arrayBuffers - before < limit / 2)
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('publishes in flight are limited; slow senders do not count', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let signing = 0
  const app = await startLocalApp({
    settings: { limits: { publishesInFlight: 1 } },
    alter: ({ signer }) => ({
      signer: alteredSigner(signer, {
        async sign(...rest) {
          signing += 1
          await held
          return signer.sign(...rest)
        },
      }),
    }),
  })
  try {
    const slow = open(app, post(1_000, '--b'))
    const worlds = await Promise.all(
      ['one', 'two'].map((gun) => TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })),
    )
    const [first, second] = worlds.map((world) => world.parts('root', 'targets'))
    const running = upload(app, 'one', first ?? [])
    await until('a signature to be asked for', () => signing > 0)
    const busy = await upload(app, 'two', second ?? [])
    assert.equal(busy.status, 429)
    assert.equal(busy.headers['retry-after'], '1')
    // Reads continue.
    assert.equal((await exchange(app, { path: tufPath('two', 'root.json') })).status, 404)
    release()
    assert.equal((await running).status, 200)
    assert.equal((await upload(app, 'two', second ?? [])).status, 200)
    slow.destroy()
  } finally {
    release()
    await app.close()
  }
})

test('any number of large uploads wait for room; small ones overtake them', async () => {
  const many = { ...fileMeta(Buffer.from('x')), custom: 'x'.repeat(100_000) }
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const signing: string[] = []
  const app = await startLocalApp({
    settings: { limits: { publishBytesInFlight: 150_000 } },
    alter: ({ signer }) => ({
      signer: alteredSigner(signer, {
        async sign(owner, ...rest) {
          signing.push(owner.gun)
          if (!owner.gun.startsWith('small')) await held
          return signer.sign(owner, ...rest)
        },
      }),
    }),
  })
  const publish = async (gun: string): Promise<Answer> => {
    const world = await TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })
    if (!gun.startsWith('small')) world.addTarget('many', 'targets', many)
    return upload(app, gun, world.parts('root', 'targets'))
  }
  try {
    const first = publish('first')
    await until('a signature to be asked for', () => signing.length > 0)
    const others = ['second', 'third'].map(publish)
    // More rounds than all of them would take.
    for (let round = 0; round < 5; round += 1) assert.equal((await publish(`small/${round}`)).status, 200)
    const large = signing.filter((gun) => !gun.startsWith('small'))
    assert.deepEqual(new Set(large), new Set(['first']))
    release()
    for (const answer of await Promise.all([first, ...others])) assert.equal(answer.status, 200)
  } finally {
    release()
    await app.close()
  }
})

test('a request timeout shorter than the header timeout holds for the headers, too', async () => {
  const app = await startLocalApp({ settings: { limits: { headersSeconds: 60, requestSeconds: 1 } } })
  try {
    assert.equal((await exchange(app, { path: '/v2/' })).status, 200)
    assert.match(await all(open(app, 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ')), /^HTTP\/1\.1 408 /)
  } finally {
    await app.close()
  }
})

test('a client that sends too slowly gets 408 and is closed; others are answered meanwhile', async () => {
  const app = await startLocalApp({
    settings: { limits: { headersSeconds: 1, requestSeconds: 1, keepAliveSeconds: 1 } },
  })
  try {
    const { body } = multipartForm([{ role: 'root', bytes: Buffer.from('{}') }])
    const slow = [
      open(app, 'GET /v2/ HT'),
      open(app, 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      open(app, post(body.length + 1, body.toString())),
      open(app, `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc`),
      open(app, post(10, 'x', '/v2/nowhere')),
    ]
    const answers = Promise.all(slow.map(all))
    const silent = all(open(app, ''))
    const idle = open(app, 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
    const idleAnswer = all(idle)
    for (let asked = 0; asked < 5; asked += 1) assert.equal((await exchange(app, { path: '/v2/' })).status, 200)
    for (const answer of await answers) {
      assert.match(answer, /^HTTP\/1\.1 408 /)
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
    }
    assert.equal(await silent, '')
    assert.ok(app.lines.every(({ level }) => level === 'info'))
    assert.match(await idleAnswer, /^HTTP\/1\.1 200 [^]*\{\}$/)
  } finally {
    await app.close()
  }
})

test('pipelined requests are answered one by one, and not only after the last', async () => {
  const asked: string[] = []
  let goOn = (): void => undefined
  const app = await startLocalApp({
    alter: ({ signer }) => ({
      signer: alteredSigner(signer, {
        async create(gun, role) {
          asked.push(gun)
          await new Promise<void>((resolve) => (goOn = resolve))
          return signer.create(gun, role)
        },
      }),
    }),
  })
  const get = (gun: string, more = ''): string =>
    `GET ${tufPath(gun, 'timestamp.key')} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
  const body = (gun: string): string =>
    `DELETE ${tufPath(gun)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(20_000)}0\r\n\r\n`
  try {
    const connection = await RawConnection.open(app)
    connection.write(get('a') + get('b'))
    connection.write(body('c') + get('d') + get('e'))
    for (const gun of ['a', 'b', 'd', 'e']) {
      await until('its key to be asked for', () => asked.includes(gun))
      // Others are answered meanwhile.
      assert.equal((await exchange(app, { path: '/v2/' })).status, 200)
      assert.equal(asked.at(-1), gun)
      goOn()
      assert.match(await connection.answer(), /"keyval"/)
      if (gun === 'b') assert.match(await connection.answer(), /\r\nContent-Length: 0\r\n/)
    }
    const ended = await RawConnection.open(app)
    ended.write(get('f', 'Host: y\r\n') + get('g'))
    assert.match(await ended.answer(), /^HTTP\/1\.1 400 /)
    await ended.closed()
    assert.equal(ended.rest, '')
    assert.deepEqual(asked, ['a', 'b', 'd', 'e'])
  } finally {
    await app.close()
  }
})

test('while pipelined requests wait, no more of them are read', async () => {
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const app = await startLocalApp({
    alter: ({ signer }) => ({
      signer: alteredSigner(signer, {
        async create(...rest) {
          asked.resolve()
          await held.promise
          return signer.create(...rest)
        },
      }),
    }),
  })
  const connection = await RawConnection.open(app)
  try {
    connection.write(`GET ${tufPath('a', 'timestamp.key')} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await asked.promise
    const pieces = 640
    const piece = `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`.repeat(10)
    let taken = 0
    for (let sent = 0; sent < pieces; sent += 1) connection.socket.write(piece, () => (taken += 1))
    // Until the socket buffers are full.
    for (let before = -1; before !== taken; await sleep(1_000)) before = taken
    assert.ok(taken < pieces)
  } finally {
    held.resolve()
    connection.socket.destroy()
    await app.close()
  }
})

test('pipelined requests may include any number that Node refuses itself', async () => {
  const app = await startLocalApp()
  const get = (gun: string): string => `GET ${tufPath(gun, 'timestamp.key')} HTTP/1.1\r\nHost: x\r\n\r\n`
  // More answers than Node buffers before it waits for the client.
  const refused = 'GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n'.repeat(3_000)
  try {
    for (const usedBefore of [true, false]) {
      const connection = await RawConnection.open(app)
      if (usedBefore) assert.match(await connection.ask(get('a')), /^HTTP\/1\.1 200 /)
      connection.socket.end(get('b') + get('c') + refused + get('d'))
      await connection.closed()
      const statuses = Array.from(connection.rest.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => status)
      assert.equal(statuses.join(' '), `200 200 ${'417 '.repeat(3_000)}200`)
    }
  } finally {
    await app.close()
  }
})

test('a client that reads nothing of an answer, kept or not, is closed; one that reads or waits longer gets all of it', async (t) => {
  const lines: Line[] = []
  // Even on a busy machine a handshake is over by then, and the slow client reads on.
  const settings = { limits: { headersSeconds: 2, keepAliveSeconds: 1, answerSeconds: 4 } }
  const server = await startTestServer({ settings, log: keptLog(lines) })
  t.after(() => server.stop())
  const gun = 'limits.example/slow'
  const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun) })
  await world.publishFirst(server)
  // More than socket buffers take.
  world.addTarget('large', 'targets', { ...fileMeta(Buffer.from('x')), custom: 'x'.repeat(7 * 1024 * 1024) })
  await world.publish(server, 'targets')
  const get = (more = ''): string =>
    `GET ${tufPath(gun, 'targets.json')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`
  const ask = async (text: string): Promise<RawConnection> => {
    const connection = await RawConnection.open(server)
    connection.socket.pause()
    connection.write(text)
    return connection
  }
  // The first request keeps the answer; the second makes the request known by its bytes.
  for (const _ of [1, 2]) await (await RawConnection.open(server)).ask(get())
  lines.length = 0
  // Makes a key, once it is its turn: here the server is the slow one.
  const turn = Promise.withResolvers<void>()
  const holding = server.running.trust.turns.take(parseGun(gun), () => turn.promise)
  const held = exchange(server, { path: tufPath(gun, 'snapshot.key') })
  const stalled = [await ask(get()), await ask(get('If-None-Match: "x"\r\n'))]
  const slow = await ask(get())
  // A client that never starts the TLS handshake is closed, too.
  let dropped = false
  open(server, '').on('close', () => (dropped = true))
  // Longer than an idle connection lives.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  await until('the silent one to be dropped', () => dropped)
  slow.socket.resume()
  await slow.closed()
  assert.ok(slow.rest.length > 7 * 1024 * 1024)
  await until('all lines', () => lines.length === 3)
  assert.deepEqual(
    lines.map(({ status }) => status),
    [200, 499, 499],
  )
  turn.resolve()
  await holding
  assert.equal((await held).status, 200)
  for (const { socket } of stalled) socket.destroy()
})

test('connections are limited', async () => {
  const app = await startLocalApp({ settings: { limits: { connections: 2 } } })
  try {
    const held = [open(app, 'GET'), open(app, 'GET')]
    await Promise.all(held.map((socket) => once(socket, 'connect')))
    const third = open(app, 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(await all(third), '')
    for (const socket of held) socket.destroy()
  } finally {
    await app.close()
  }
})

test('malformed HTTP gets one clean 400', async () => {
  const app = await startLocalApp({ settings: { limits: { headerBytes: 8_192 } } })
  try {
    for (const text of [
      'garbage\r\n\r\n',
      'GET /v2/ HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n',
      'GET /v2/ HTTP/1.1\r\n\r\n',
    ]) {
      const answer = await all(open(app, text))
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n/, text)
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
    }
    for (const version of ['0.9', '2.0']) {
      const answer = await all(open(app, `GET /v2/ HTTP/${version}\r\nHost: x\r\n\r\n`))
      assert.match(answer, /^HTTP\/1\.1 400 .*only HTTP\/1\.1 and 1\.0/s, version)
    }
    for (const rest of ['zz\r\n', '2\r\naaa\r\n', '0\r\n\r\ngarbage\r\n\r\n']) {
      const head = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nTransfer-Encoding: chunked\r\n\r\n`
      app.lines.length = 0
      await all(open(app, head + rest))
      await until('its line', () => app.lines.length > 0)
      // It is the client's fault, and the log must not hold what it sent.
      assert.deepEqual(
        app.lines.map(({ level }) => level),
        ['info'],
      )
    }
    const long = `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(8_192)}\r\n\r\n`
    assert.match(await all(open(app, long)), /^HTTP\/1\.1 431 /)
  } finally {
    await app.close()
  }
})

test('an upgrade request is answered and the connection closed, whatever follows it', async () => {
  const app = await startLocalApp({ settings: { limits: { keepAliveSeconds: 3_600 } } })
  const get = (more: string): string => `GET /v2/ HTTP/1.1\r\nHost: x\r\n${more}\r\n`
  try {
    // The kept answer has no Connection: close, and this one must not be kept.
    for (const again of [1, 2]) {
      const connection = await RawConnection.open(app)
      connection.write(
        get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n') + get(''),
      )
      const answer = await connection.answer()
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
      assert.match(answer, /\r\nConnection: close\r\n/, `${again}`)
      await connection.closed()
      assert.equal(connection.rest, '')
      const { headers } = await exchange(app, { path: '/v2/' })
      assert.equal(headers.connection, 'keep-alive')
    }
  } finally {
    await app.close()
  }
})
