import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where a server listens, and the certificate authority (PEM) to trust if it speaks TLS. */
export interface Endpoint {
  /** `https://localhost:4443`, without a slash at the end. */
  readonly url: string
  readonly ca?: string | undefined
  /** Sent with each request. */
  readonly authorization?: string
}

export interface Ask {
  readonly method?: string
  /** Sent as it is, without any cleaning. */
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

/** One request over a real socket. */
export async function exchange(endpoint: Endpoint, ask: Ask): Promise<Answer> {
  const { hostname, port, protocol } = new URL(endpoint.url)
  const common = { hostname, port, method: ask.method ?? 'GET', path: ask.path, headers: { ...ask.headers } }
  if (endpoint.authorization !== undefined) common.headers['authorization'] = endpoint.authorization
  if (ask.body !== undefined) common.headers['content-length'] = String(Buffer.byteLength(ask.body))
  const request =
    protocol === 'https:'
      ? httpsRequest({ ...common, agent: httpsAgent(endpoint.ca ?? '') })
      : httpRequest({ ...common, agent: httpAgent })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  // A server may answer and close before it has read all of the body: the answer counts.
  request.on('error', () => undefined)
  request.end(ask.body)
  const [response] = await answered
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Agents keep connections: one a certificate authority. */
function httpsAgent(ca: string): HttpsAgent {
  const agent = httpsAgents.get(ca) ?? new HttpsAgent({ keepAlive: true, ca })
  httpsAgents.set(ca, agent)
  return agent
}

/**
 * Write bytes to the server as they are and read until it closes or falls silent: for requests that no HTTP client
 * would send.
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
    // Something came: what comes at once after it belongs to it.
    socket.setTimeout(quietMs)
  })
  socket.on('timeout', () => socket.destroy())
  socket.on('error', () => undefined)
  socket.setTimeout(5_000)
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

/** The error envelope of an answer (wire spec §4). */
export function errorOf(answer: Answer): { code: string; name: string | undefined; message: string } {
  const { errors } = JSON.parse(answer.body.toString('utf8')) as {
    errors: { code: string; message: string; detail?: { Name?: string; Error?: { Msg?: string } } | string | null }[]
  }
  const [first] = errors
  if (first === undefined || errors.length !== 1) throw new Error(`not one error: ${answer.body.toString('utf8')}`)
  const detail = typeof first.detail === 'object' && first.detail !== null ? first.detail : {}
  return { code: first.code, name: detail.Name, message: detail.Error?.Msg ?? first.message }
}
