import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AT_ONCE_MAX_BYTES } from '../../src/http/sockets/slices.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { readByNode } from '../support/read-by-node.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const GUN = 'repeats.example/app'
/** Bytes. */
const LARGE = 7 * 1024 * 1024
const MIDDLE = 200_000
/** A request for a document, as docker sends it. */
const get = (file: string, more = ''): string =>
  `GET ${tufPath(GUN, file)} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: docker/28\r\nAccept-Encoding: identity\r\n${more}\r\n`
const post = (length: number): string =>
  `POST /v2/nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`
/** Waits long enough for two writes to arrive as two pieces. */
const apart = (): Promise<void> => sleep(25)
const withoutWhatDiffers = (answer: string): string =>
  answer.replace(/(x-request-id|date): [^\r]*/gi, (_, name: string) => `${name}: …`)
const statusOf = (answer: string): number => Number(answer.slice(9, 12))
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

for (const transport of ['tls', 'plain'] as const) {
  describe(`a repeated request, ${transport}`, () => {
    let server: TestServer
    let world: TrustWorld
    const lines: Line[] = []
    const opened: RawConnection[] = []
    const open = async (): Promise<RawConnection> => {
      const connection = await RawConnection.open(server)
      opened.push(connection)
      return connection
    }

    before(async () => {
      const limits = { headersSeconds: 4, requestSeconds: 4, keepAliveSeconds: 1 }
      server = await startTestServer({ transport, settings: { limits }, log: keptLog(lines) })
      world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(server, GUN) })
      await world.publishFirst(server)
      // The first request keeps the answer; the second makes the request known by its bytes.
      const connection = await open()
      for (const file of ['root.json', 'timestamp.json', 'root.json', 'timestamp.json']) await connection.ask(get(file))
    })
    after(async () => {
      for (const { socket } of opened) socket.destroy()
      await server.stop()
    })

    /** Publishes targets with at least this many bytes. */
    async function publish(bytes: number): Promise<void> {
      world.addTarget('large', 'targets', { ...fileMeta(Buffer.from('large')), custom: 'x'.repeat(bytes) })
      await world.publish(server, 'targets')
    }

    /** Lets a request be answered by its bytes from now on. @returns the length of its answer */
    async function known(request: string): Promise<number> {
      await (await open()).ask(request)
      const { length } = await (await open()).ask(request)
      assert.ok(length > MIDDLE && length < AT_ONCE_MAX_BYTES)
      return length
    }

    /**
     * Sends a request again and again and reads nothing, until an answer does not fit into the buffers of the sockets: its
     * line is missing from the log.
     *
     * @returns how often
     */
    async function fill(slow: RawConnection, request: string): Promise<number> {
      slow.socket.pause()
      const before = lines.length
      let sent = 0
      for (; lines.length === before + sent; await apart()) {
        slow.write(request)
        sent += 1
      }
      return sent
    }

    test('gets the bytes that Node’s server would send, on the same connection and on a new one', async () => {
      const connection = await open()
      // Nobody has sent these headers yet: Node reads them first.
      const request = get('root.json', `Accept: ${transport}\r\n`)
      const logged = lines.length
      const first = await connection.ask(request)
      assert.equal(statusOf(first), 200)
      assert.equal(Buffer.from(bodyOf(first), 'latin1').equals(world.files.get('root') ?? Buffer.alloc(0)), true)
      const read = await readByNode(async () => {
        const again = [await connection.ask(request), await (await open()).ask(request), await connection.ask(request)]
        for (const answer of again) assert.equal(withoutWhatDiffers(answer), withoutWhatDiffers(first))
        assert.equal(new Set([first, ...again].map((answer) => /x-request-id: (\S+)/i.exec(answer)?.[1])).size, 4)
      })
      assert.equal(read, 0)
      await until('all lines', () => lines.length === logged + 4)
      for (const { agent } of lines.slice(logged)) assert.equal(agent, 'docker/28')
    })

    test('is the same in each byte', async () => {
      const [one, other] = [get('root.json', 'X-Name: \u00fe\r\n'), get('root.json', 'X-Name: \u00ff\r\n')]
      const connection = await open()
      for (let asked = 0; asked < 2; asked += 1) assert.equal(statusOf(await connection.ask(one)), 200)
      const read = await readByNode(async () => {
        for (const request of [one, other]) assert.equal(statusOf(await connection.ask(request)), 200)
      })
      assert.equal(read, 1)
    })

    test('may be a ping', async () => {
      const request = `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAccept: ${transport}\r\n\r\n`
      const connection = await open()
      const answers = [await connection.ask(request), await connection.ask(request), await connection.ask(request)]
      const read = await readByNode(async () => {
        answers.push(await connection.ask(request), await (await open()).ask(request))
      })
      assert.equal(read, 0)
      const [first, ...others] = answers.map((answer) => withoutWhatDiffers(answer).split('\r\n').toSorted())
      assert.ok(first?.includes('{}'))
      for (const other of others) assert.deepEqual(other, first)
    })

    test('may stand between requests that Node reads', async () => {
      const connection = await open()
      const read = await readByNode(async () => {
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
        assert.equal(statusOf(await connection.ask(get('9.root.json'))), 404)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
        assert.equal(statusOf(await connection.ask(get('timestamp.json', 'If-None-Match: "x"\r\n'))), 200)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
      })
      // After the conditional one, Node reads the rest of the connection.
      assert.equal(read, 3)
    })

    test('gets a new answer after a publish', async () => {
      const connection = await open()
      const before = await connection.ask(get('timestamp.json'))
      world.addTarget(`v${transport}`)
      await world.publish(server, 'targets')
      const after = await connection.ask(get('timestamp.json'))
      assert.notEqual(bodyOf(after), bodyOf(before))
      assert.equal(bodyOf(await connection.ask(get('timestamp.json'))), bodyOf(after))
    })

    test('is not answered inside a body, even of a request refused before its body is read', async () => {
      const inside = get('root.json')
      const connection = await open()
      await connection.ask(inside)
      connection.write(post(inside.length))
      await apart()
      connection.write(inside)
      assert.equal(statusOf(await connection.answer()), 404)
      assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
      await apart()
      assert.equal(connection.rest, '')
    })

    test('is not answered inside the body of a request that Node refuses itself', async () => {
      const inside = get('root.json')
      const connection = await open()
      // Node has already read one request from this connection.
      await connection.ask(get('root.json', 'X-Not-Asked-Before: 1\r\n'))
      connection.write(post(inside.length).replace('Content-Length', 'Expect: x\r\nContent-Length'))
      await apart()
      connection.write(inside)
      assert.equal(statusOf(await connection.answer()), 417)
      await apart()
      assert.doesNotMatch(connection.rest, /HTTP/)
    })

    test('is not answered inside a chunk or half a head', async () => {
      const inside = get('root.json')
      const size = inside.length.toString(16)
      const chunked = await open()
      await chunked.ask(inside)
      chunked.write(`POST /v2/nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`)
      await apart()
      for (const piece of [`${size}\r\n`, inside, '\r\n0\r\n\r\n']) {
        chunked.write(piece)
        await apart()
      }
      assert.equal(statusOf(await chunked.answer()), 404)
      assert.equal(chunked.rest, '')

      const half = await open()
      await half.ask(inside)
      half.write('GET /v2/ HTTP/1.1\r\nX-Half: ')
      await apart()
      half.write(inside)
      assert.equal(bodyOf(await half.answer()), '{}')
      await apart()
      assert.equal(half.rest, '')
    })

    test('is not answered inside the body of a GET', async () => {
      const inside = get('root.json')
      const connection = await open()
      await connection.ask(inside)
      connection.write(get('root.json', `Content-Length: ${inside.length}\r\n`))
      await apart()
      connection.write(inside)
      assert.equal(statusOf(await connection.answer()), 200)
      await apart()
      assert.equal(connection.rest, '')
    })

    test('is not answered inside a body announced after a thousand other header lines', async () => {
      const inside = get('root.json')
      const connection = await open()
      await connection.ask(inside)
      // Short enough to be remembered, but more lines than some versions of Node keep.
      const lines = `Host: localhost\r\n${'a:\r\n'.repeat(999)}Content-Length: ${inside.length}\r\n`
      connection.write(`GET /v2/ HTTP/1.1\r\n${lines}\r\n`)
      await apart()
      connection.write(inside)
      assert.equal(bodyOf(await connection.answer()), '{}')
      await apart()
      assert.equal(connection.rest, '')
    })

    test('is read to the end of its chunked body, however often it comes', async () => {
      for (const again of [1, 2, 3]) {
        const connection = await open()
        connection.write(get('root.json', 'Transfer-Encoding: chunked\r\n'))
        await apart()
        connection.write('0\r\n\r\n')
        assert.equal(statusOf(await connection.answer()), 200, `${again}`)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200, `${again}`)
      }
    })

    test('is answered in order, cut at any byte or with many in one piece', async () => {
      const [root, timestamp] = [get('root.json'), get('timestamp.json')]
      const bodies = [bodyOf(await (await open()).ask(root)), bodyOf(await (await open()).ask(timestamp))]
      for (let cut = 1; cut < root.length; cut += 13) {
        const connection = await open()
        connection.write(root.slice(0, cut))
        await sleep(2)
        connection.write(root.slice(cut) + timestamp)
        connection.write(root)
        connection.write(timestamp)
        const answers = [await connection.answer(), await connection.answer(), await connection.answer()]
        assert.deepEqual([...answers, await connection.answer()].map(bodyOf), [...bodies, ...bodies], `cut at ${cut}`)
        connection.socket.destroy()
      }
    })

    test('is one of two in one piece, however often they come', async () => {
      const [root, timestamp] = [get('root.json'), get('timestamp.json')]
      const bodies = [bodyOf(await (await open()).ask(root)), bodyOf(await (await open()).ask(timestamp))]
      for (const again of [1, 2, 3]) {
        const connection = await open()
        connection.write(root + timestamp)
        const answers = [await connection.answer(), await connection.answer()]
        assert.deepEqual(answers.map(bodyOf), bodies, `${again}`)
      }
    })

    test('waits for the answer to an earlier request that takes longer', async () => {
      const turn = Promise.withResolvers<void>()
      const busy = parseGun('repeats.example/busy')
      const holding = server.running.trust.turns.take(busy, () => turn.promise)
      const connection = await open()
      // Makes a key, once it is its turn.
      connection.write(`GET ${tufPath(busy, 'snapshot.key')} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await apart()
      connection.write(get('root.json'))
      await apart()
      assert.equal(connection.rest, '')
      turn.resolve()
      await holding
      const answers = [await connection.answer(), await connection.answer()]
      assert.deepEqual(answers.map(statusOf), [200, 200])
      assert.match(answers[0] ?? '', /"keytype"/)
    })

    test('is answered in full after a pause, however many were sent without reading', async () => {
      const connection = await open()
      const request = get('root.json')
      const { length } = await connection.ask(request)
      connection.socket.pause()
      const count = Math.ceil((24 * 1024 * 1024) / length)
      for (let sent = 0; sent < count; sent += 1) {
        connection.write(request)
        if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await apart()
      connection.socket.resume()
      let bytes = connection.rest.length
      connection.socket.on('data', (text: string) => (bytes += text.length))
      await until('all answers', () => bytes >= count * length)
      assert.equal(bytes, count * length)
    })

    const idleEnds = async (): Promise<void> => {
      const [busy, idle, silent] = [await open(), await open(), await open()]
      const start = performance.now()
      const ended: string[] = []
      const ends = [
        idle.closed().then(() => ended.push('idle')),
        silent.closed().then(() => ended.push('silent')),
        busy.closed().then(() => ended.push('busy')),
      ]
      await sleep(500)
      assert.equal(statusOf(await idle.ask(get('root.json'))), 200)
      for (let asked = 0; asked < 6; asked += 1) {
        assert.equal(statusOf(await busy.ask(get('root.json'))), 200)
        await sleep(500)
      }
      await Promise.all(ends)
      // After 1 second and 1 of grace; after 4 seconds; 2 seconds after the last request.
      assert.deepEqual(ended, ['idle', 'silent', 'busy'])
      // On a quick machine these are exactly 5 seconds, and each timer may fire a moment early.
      assert.ok(performance.now() - start > 4_900)
      assert.equal(silent.rest, '')
    }
    // Takes seconds: once is enough.
    if (transport === 'tls') test('does not keep an idle connection open, nor close a busy one', idleEnds)

    test('with Connection: close, as docker and notary send it, is the last one answered', async () => {
      const request = get('root.json', 'Connection: close\r\n')
      const one = await open()
      const first = await one.ask(request)
      assert.match(first, /\r\nConnection: close\r\n/)
      await one.closed()
      const read = await readByNode(async () => {
        for (const before of ['', '', get('timestamp.json')]) {
          const connection = await open()
          if (before !== '') assert.equal(statusOf(await connection.ask(before)), 200)
          connection.write(request)
          assert.equal(withoutWhatDiffers(await connection.answer()), withoutWhatDiffers(first))
          connection.write(get('timestamp.json'))
          await connection.closed()
          assert.equal(connection.rest, '')
        }
      })
      assert.equal(read, 0)
      // After a request that Node reads, Node has the connection, and closes it, too.
      const shared = await open()
      assert.equal(statusOf(await shared.ask(get('9.root.json'))), 404)
      assert.equal(withoutWhatDiffers(await shared.ask(request)), withoutWhatDiffers(first))
      await shared.closed()
    })

    test('with Connection: close gets the whole answer, however slowly it is read', async () => {
      await publish(LARGE)
      const request = get('targets.json', 'Connection: close\r\n')
      // The first request keeps the answer. One as large as this is sent by Node, in slices.
      await (await open()).ask(request)
      const { length } = await (await open()).ask(request)
      assert.ok(length > LARGE)
      const slow = await open()
      slow.socket.pause()
      slow.write(request)
      await apart()
      slow.write(get('timestamp.json'))
      await apart()
      slow.socket.resume()
      await slow.closed()
      assert.equal(slow.rest.length, length)
    })

    test('is answered in full if the client closes its side before it reads', async () => {
      await publish(MIDDLE)
      const request = get('targets.json')
      const length = await known(request)
      const slow = await open()
      const read = await readByNode(async () => {
        const sent = await fill(slow, request)
        slow.socket.end()
        // Longer than an idle connection may last. Once is enough.
        await (transport === 'tls' ? sleep(5_000) : apart())
        slow.socket.resume()
        await slow.closed()
        assert.equal(slow.rest.length, sent * length)
      })
      assert.equal(read, 0)
    })

    test('is logged as cut off if the client goes away before it has taken its answer', async () => {
      await publish(MIDDLE)
      const request = get('targets.json')
      await known(request)
      const slow = await open()
      await fill(slow, request)
      const logged = lines.length
      slow.socket.destroy()
      await until('its line', () => lines.length > logged)
      assert.equal(lines[logged]?.['status'], 499)
    })

    test('is answered in full with Connection: close, even if the answer does not fit into buffers', async () => {
      await publish(MIDDLE)
      const [request, last] = [get('targets.json'), get('targets.json', 'Connection: close\r\n')]
      const lengths = [await known(request), await known(last)]
      const sent = await fill(await open(), request)
      const slow = await open()
      slow.socket.pause()
      for (const text of [...Array.from({ length: sent - 1 }, () => request), last]) {
        slow.write(text)
        await apart()
      }
      slow.socket.resume()
      await slow.closed()
      assert.equal(slow.rest.length, (sent - 1) * (lengths[0] ?? 0) + (lengths[1] ?? 0))
    })
  })
}
