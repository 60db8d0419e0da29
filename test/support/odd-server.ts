import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { exchange, type Endpoint } from './exchange.ts'

interface OddServer {
  readonly url: string
  /** The requests it got, in order. */
  readonly asked: IncomingMessage[]
}

/** Starts a server that answers as told, until the test ends. */
export async function oddServer(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<OddServer> {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    void answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** Returns what to serve for a file: other bytes, or a bare status; undefined: the real server's response. */
export type Meddle = (file: string) => Buffer | number | undefined | Promise<Buffer | number | undefined>

/** Puts a proxy in front of a server that answers some requests itself; `file` is what follows `/_trust/tuf/`. */
export function meddler(t: TestContext, behind: Endpoint, meddle: Meddle): Promise<OddServer> {
  return oddServer(t, async ({ url: path = '' }, response) => {
    const own = await meddle(path.split('/_trust/tuf/')[1] ?? '')
    if (typeof own === 'number') response.writeHead(own).end()
    else if (own !== undefined) response.end(own)
    else {
      const { status, body } = await exchange(behind, { path })
      response.writeHead(status).end(body)
    }
  })
}
