import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server as HttpsServer } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { exchange } from '../../support/exchange.ts'
import type { Server } from './notary.ts'
import type { Stage } from './stage.ts'

/** Edits an answer's body, given the path and the server's body, or returns it unchanged. */
type Meddle = (path: string, body: Buffer) => Buffer

/** A man in the middle who holds the server's TLS key and changes its answers. */
export class Interposer implements Server {
  readonly url: string
  readonly caFile: string
  meddle: Meddle = (_path, body) => body
  readonly #server: HttpsServer

  private constructor(server: HttpsServer, url: string, caFile: string) {
    this.#server = server
    this.url = url
    this.caFile = caFile
  }

  static async before(stage: Stage): Promise<Interposer> {
    const tls = `${stage.server.directory}/keys/tls`
    const [cert, key] = await Promise.all([readFile(`${tls}/server.crt`), readFile(`${tls}/server.key`)])
    const server = createServer({ cert, key }).listen(0, 'localhost')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const interposer = new Interposer(server, `https://localhost:${port}`, stage.caFile)
    server.on('request', (request, response) => {
      void buffer(request).then(async (body) => {
        const { method = 'GET', url: path = '/', headers } = request
        const type = headers['content-type']
        const answer = await exchange(stage.server, {
          method,
          path,
          ...(method === 'POST' ? { body, headers: type === undefined ? {} : { 'content-type': type } } : {}),
        })
        response.writeHead(answer.status, { 'content-type': answer.headers['content-type'] ?? 'text/plain' })
        response.end(answer.status === 200 ? interposer.meddle(path, answer.body) : answer.body)
      })
    })
    return interposer
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
