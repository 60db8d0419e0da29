import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { exchange } from '../support/exchange.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'large.example/app'
const PATH = tufPath(GUN, 'targets.json')
/** Bytes; more than socket buffers take. */
const LARGE = 7 * 1024 * 1024
const get = (more = ''): string => `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`
/** A conditional header; such a request gets no kept answer. */
const CONDITION = 'If-None-Match: "x"\r\n'

for (const transport of ['tls', 'plain'] as const) {
  describe(`a large document, ${transport}`, () => {
    const lines: Line[] = []
    let server: TestServer
    let document: Buffer

    before(async () => {
      server = await startTestServer({ transport, log: keptLog(lines), settings: { shutdownSeconds: 1 } })
      const world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(server, GUN) })
      await world.publishFirst(server)
      const custom = randomBytes(LARGE / 2).toString('hex')
      world.addTarget('large', 'targets', { ...fileMeta(Buffer.from('large')), custom })
      await world.publish(server, 'targets')
      document = world.files.get('targets') ?? Buffer.alloc(0)
      assert.ok(document.length > LARGE)
    })
    after(() => server.stop())

    const isWhole = (answer: string): void => {
      const [head = ''] = answer.split('\r\n\r\n', 1)
      assert.match(head, /^HTTP\/1\.1 200 /)
      assert.match(head, new RegExp(`\r\nContent-Length: ${document.length}\r\n`))
      assert.ok(Buffer.from(answer.slice(head.length + 4), 'latin1').equals(document))
    }
    /** Clients that read nothing; every second one sends a conditional request. */
    const stalled = async (count: number): Promise<RawConnection[]> => {
      const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(server)))
      for (const [index, connection] of connections.entries()) {
        connection.socket.pause()
        connection.write(get(index % 2 === 0 ? '' : CONDITION))
      }
      return connections
    }

    test('arrives complete: first, kept, as a repeated request, and with other headers', async () => {
      const connection = await RawConnection.open(server)
      for (const more of ['', '', '', CONDITION, '']) isWhole(await connection.ask(get(more)))
      connection.write(get() + get(CONDITION))
      connection.write(get())
      for (const _ of [1, 2, 3]) isWhole(await connection.answer())
      isWhole(await connection.ask(get('Connection: close\r\n')))
      await connection.closed()
      const head = await exchange(server, { method: 'HEAD', path: PATH })
      assert.deepEqual([head.headers['content-length'], head.body.length], [String(document.length), 0])
    })

    test('arrives complete at a client that has closed its side', async () => {
      const connection = await RawConnection.open(server)
      connection.socket.pause()
      connection.socket.end(get())
      await sleep(50)
      connection.socket.resume()
      await connection.closed()
      isWhole(connection.rest)
    })

    test('is followed by the answers to all requests behind it', async () => {
      const ping = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n'
      // TLS sends them in two records.
      const pings = 500
      // In one piece, behind half a request, and on a connection that has had answers before.
      for (const before of ['', 'G', ping]) {
        const connection = await RawConnection.open(server)
        connection.write(before)
        await sleep(20)
        const answers = before === ping ? [await connection.answer()] : []
        connection.write(`${get()}${ping.repeat(pings)}`.slice(before === 'G' ? 1 : 0))
        isWhole(await connection.answer())
        while (answers.length < pings) answers.push(await connection.answer())
        assert.deepEqual(new Set(answers.map((answer) => answer.slice(0, 15))), new Set(['HTTP/1.1 200 OK']))
        connection.socket.end()
        await connection.closed()
      }
    })

    test('waits in slices while clients read nothing; their disconnection is logged, and nothing else', async () => {
      lines.length = 0
      const sockets: Socket[] = []
      const seen = (message: unknown): void => {
        sockets.push((message as { readonly socket: Socket }).socket)
      }
      subscribe('http.server.request.start', seen)
      const waiting = (): number[] => sockets.map(({ writableLength }) => writableLength).filter((bytes) => bytes > 0)
      const clients = await stalled(10)
      await until('all of them to wait', () => waiting().length === clients.length)
      unsubscribe('http.server.request.start', seen)
      assert.ok(Math.max(...waiting()) < LARGE / 20, String(waiting()))
      for (const { socket } of clients) socket.destroy()
      await until('a line of each', () => lines.length >= clients.length)
      assert.deepEqual(new Set(lines.map(({ level, status }) => `${level} ${String(status)}`)), new Set(['info 499']))
    })

    test('is in memory once, however many stalled clients asked for it', async () => {
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      const used = async (): Promise<number> => {
        for (const _ of [1, 2, 3]) {
          collect()
          // Node returns collected memory a little later.
          await sleep(50)
        }
        return process.memoryUsage().external
      }
      const before = await used()
      lines.length = 0
      const clients = await stalled(10)
      await sleep(500)
      // On a busy machine, what was written is released later.
      await until('room for one answer', async () => (await used()) - before < 2 * LARGE)
      for (const { socket } of clients) socket.destroy()
      await until('a line of each', () => lines.length >= clients.length)
    })

    test('does not delay shutdown', async () => {
      const clients = await stalled(2)
      await sleep(200)
      await server.restart()
      for (const { socket } of clients) socket.destroy()
    })
  })
}
