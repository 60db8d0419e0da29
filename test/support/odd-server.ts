import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { exchange, type Endpoint } from './exchange.ts'

interface OddServer {
  readonly url: string
  /** What it was asked, in order. */
  readonly asked: IncomingMessage[]
}

/** A server that answers as told, gone with the test. */
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

/** What it has at a path: other bytes, or a status without any; undefined: what the server behind it says. */
export type Meddle = (file: string) => Buffer | number | undefined | Promise<Buffer | number | undefined>

/** Somebody before a server who answers some requests himself; `file` is what comes after `/_trust/tuf/`. */
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
