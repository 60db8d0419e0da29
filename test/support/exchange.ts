import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'

/** Where a server listens, and the certificate authority (PEM) to trust if it speaks TLS. */
export interface Endpoint {
  /** Base URL without a trailing slash: `https://localhost:4443`. */
  readonly url: string
  readonly ca?: string | undefined
  /** Sent with each request. */
  readonly authorization?: string
}

export interface Ask {
  readonly method?: string
  /** Sent unchanged, without normalisation. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const httpAgent = new HttpAgent({ keepAlive: true })
const httpsAgents = new Map<string, HttpsAgent>()

/** Sends one request over a real socket. */
export async function exchange(endpoint: Endpoint, ask: Ask): Promise<Answer> {
  // If this process was busy for seconds, its timers must first drop connections that the server keeps no longer. They
  // run between two turns.
  await turn()
  await turn()
  const { hostname, port, protocol } = new URL(endpoint.url)
  const common = { hostname, port, method: ask.method ?? 'GET', path: ask.path, headers: { ...ask.headers } }
  if (endpoint.authorization !== undefined) common.headers['authorization'] = endpoint.authorization
  if (ask.body !== undefined) common.headers['content-length'] = String(Buffer.byteLength(ask.body))
  const request =
    protocol === 'https:'
      ? httpsRequest({ ...common, agent: httpsAgent(endpoint.ca ?? '') })
      : httpRequest({ ...common, agent: httpAgent })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  // A server may respond and close before it has read the whole body: the response counts.
  request.on('error', () => undefined)
  request.end(ask.body)
  const [response] = await answered
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Returns an agent that keeps connections, one per certificate authority. */
function httpsAgent(ca: string): HttpsAgent {
  const agent = httpsAgents.get(ca) ?? new HttpsAgent({ keepAlive: true, ca })
  httpsAgents.set(ca, agent)
  return agent
}

/**
 * Sends raw bytes to the server and reads until it closes or falls silent, for requests that no HTTP client would send.
 *
 * @returns everything that came back; empty if the server closed without a word
 */
export async function exchangeBytes(endpoint: Endpoint, bytes: Uint8Array | string, quietMs = 150): Promise<string> {
  const { hostname, port, protocol } = new URL(endpoint.url)
  const target = { host: hostname, port: Number(port) }
  const socket: Socket =
    protocol === 'https:'
      ? connectTls({ ...target, servername: hostname, ...(endpoint.ca === undefined ? {} : { ca: endpoint.ca }) })
      : connect(target)
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
    // Something arrived: what follows at once belongs to it.
    socket.setTimeout(quietMs)
  })
  socket.on('timeout', () => socket.destroy())
  socket.on('error', () => undefined)
  socket.setTimeout(5_000)
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

/** Returns the error in a response's envelope (wire spec §4). */
export function errorOf(answer: Answer): { code: string; name: string | undefined; message: string } {
  const { errors } = JSON.parse(answer.body.toString('utf8')) as {
    errors: { code: string; message: string; detail?: { Name?: string; Error?: { Msg?: string } } | string | null }[]
  }
  const [first] = errors
  if (first === undefined || errors.length !== 1) throw new Error(`not one error: ${answer.body.toString('utf8')}`)
  const detail = typeof first.detail === 'object' && first.detail !== null ? first.detail : {}
  return { code: first.code, name: detail.Name, message: detail.Error?.Msg ?? first.message }
}
