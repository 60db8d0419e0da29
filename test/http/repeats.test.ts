import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
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
/** Of a document, as docker asks for it. */
const get = (file: string, more = ''): string =>
  `GET ${tufPath(GUN, file)} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: docker/28\r\nAccept-Encoding: identity\r\n${more}\r\n`
const post = (length: number): string =>
  `POST /v2/nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`
/** Time for two writes to arrive as two pieces. */
const apart = (): Promise<void> => sleep(25)
const withoutWhatDiffers = (answer: string): string =>
  answer.replace(/(x-request-id|date): [^\r]*/gi, (_, name: string) => `${name}: …`)
const statusOf = (answer: string): number => Number(answer.slice(9, 12))
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

for (const transport of ['tls', 'plain'] as const) {
  describe(`a request that came before, ${transport}`, () => {
    let server: TestServer
    let world: TrustWorld
    const opened: RawConnection[] = []
    const open = async (): Promise<RawConnection> => {
      const connection = await RawConnection.open(server)
      opened.push(connection)
      return connection
    }

    before(async () => {
      const limits = { headersSeconds: 4, requestSeconds: 4, keepAliveSeconds: 1 }
      server = await startTestServer({ transport, settings: { limits } })
      world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys: keysFrom(server, GUN) })
      await world.publishFirst(server)
      // The answer is kept with the first, the request with the second.
      const connection = await open()
      for (const file of ['root.json', 'timestamp.json', 'root.json', 'timestamp.json']) await connection.ask(get(file))
    })
    after(async () => {
      for (const { socket } of opened) socket.destroy()
      await server.stop()
    })

    /** Targets that no socket takes at once. */
    async function publishLarge(): Promise<void> {
      world.addTarget('large', 'targets', { ...fileMeta(Buffer.from('large')), custom: 'x'.repeat(LARGE) })
      await world.publish(server, 'targets')
    }

    test('is answered, byte for byte, as Node’s server would: on the connection, and on a new one', async () => {
      const connection = await open()
      // Words that nobody has used yet: Node reads them first.
      const request = get('root.json', `Accept: ${transport}\r\n`)
      const first = await connection.ask(request)
      assert.equal(statusOf(first), 200)
      assert.equal(Buffer.from(bodyOf(first), 'latin1').equals(world.files.get('root') ?? Buffer.alloc(0)), true)
      const read = await readByNode(async () => {
        const again = [await connection.ask(request), await (await open()).ask(request), await connection.ask(request)]
        for (const answer of again) assert.equal(withoutWhatDiffers(answer), withoutWhatDiffers(first))
        assert.equal(new Set([first, ...again].map((answer) => /x-request-id: (\S+)/i.exec(answer)?.[1])).size, 4)
      })
      assert.equal(read, 0)
    })

    test('is a ping too', async () => {
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

    test('others are read on the same connection before and after it', async () => {
      const connection = await open()
      const read = await readByNode(async () => {
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
        assert.equal(statusOf(await connection.ask(get('9.root.json'))), 404)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
        assert.equal(statusOf(await connection.ask(get('timestamp.json', 'If-None-Match: "x"\r\n'))), 200)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200)
      })
      // The one with a condition leaves the connection to Node.
      assert.equal(read, 3)
    })

    test('with a publish between, it is answered anew', async () => {
      const connection = await open()
      const before = await connection.ask(get('timestamp.json'))
      world.addTarget(`v${transport}`)
      await world.publish(server, 'targets')
      const after = await connection.ask(get('timestamp.json'))
      assert.notEqual(bodyOf(after), bodyOf(before))
      assert.equal(bodyOf(await connection.ask(get('timestamp.json'))), bodyOf(after))
    })

    test('inside a body it is no request, even of one that is refused before it is read', async () => {
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

    test('inside the body of a request that Node refuses by itself it is no request either', async () => {
      const inside = get('root.json')
      const connection = await open()
      // Node has read one from this connection before.
      await connection.ask(get('root.json', 'X-Not-Asked-Before: 1\r\n'))
      connection.write(post(inside.length).replace('Content-Length', 'Expect: x\r\nContent-Length'))
      await apart()
      connection.write(inside)
      assert.equal(statusOf(await connection.answer()), 417)
      await apart()
      assert.doesNotMatch(connection.rest, /HTTP/)
    })

    test('inside a chunk or behind half a head it is no request', async () => {
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

    test('a body of a GET is not taken for the next request either', async () => {
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

    test('a body in chunks of a GET is read to its end, however often the same comes', async () => {
      for (const again of [1, 2, 3]) {
        const connection = await open()
        connection.write(get('root.json', 'Transfer-Encoding: chunked\r\n'))
        await apart()
        connection.write('0\r\n\r\n')
        assert.equal(statusOf(await connection.answer()), 200, `${again}`)
        assert.equal(statusOf(await connection.ask(get('timestamp.json'))), 200, `${again}`)
      }
    })

    test('cut anywhere, or many in one piece, all are answered in their order', async () => {
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

    test('who asks without reading gets all answers once he reads', async () => {
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
      // After 1 second and one of grace, 4 seconds, and 2 seconds after the last request.
      assert.deepEqual(ended, ['idle', 'silent', 'busy'])
      assert.ok(performance.now() - start > 5_000)
      assert.equal(silent.rest, '')
    }
    // Takes seconds: once is enough.
    if (transport === 'tls') test('a connection ends when it is idle, not before', idleEnds)

    test('who wants no other answer after it gets none, as docker and notary ask', async () => {
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
      // Node reads one before it: it is left the connection, and closes it too.
      const shared = await open()
      assert.equal(statusOf(await shared.ask(get('9.root.json'))), 404)
      assert.equal(withoutWhatDiffers(await shared.ask(request)), withoutWhatDiffers(first))
      await shared.closed()
    })

    test('who wants no other answer gets all of it, however slowly he reads', async () => {
      await publishLarge()
      const request = get('targets.json', 'Connection: close\r\n')
      // The answer is kept with the first, the request with the second.
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

    test('who closes his side with it is answered still, however slowly he reads', async () => {
      await publishLarge()
      const connection = await open()
      const request = get('targets.json')
      const { length } = await connection.ask(request)
      assert.ok(length > LARGE)
      await connection.ask(request)
      const slow = await open()
      slow.socket.pause()
      slow.socket.end(request)
      await apart()
      slow.socket.resume()
      await slow.closed()
      assert.equal(slow.rest.length, length)
    })
  })
}
