import { createSecureContext, connect, type TLSSocket } from 'node:tls'
import type { TokenService } from './token-service.ts'

/** A server under test. */
export interface Target {
  readonly port: number
  /** Makes the tokens that the server requires; absent: it requires none. */
  readonly tokens?: TokenService | undefined
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** What Debian's Go clients offer. Newer ones also offer post-quantum groups, which Go 1.19 does not accept. */
const GROUPS = 'X25519:P-256'
/** In the order of Go's clients: a server that follows the client's preference takes the first. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'
// Unlike Go's clients, OpenSSL always offers to resume sessions, so Go's server sends tickets: 2 % of its CPU.
const secureContext = createSecureContext({ ecdhCurve: GROUPS, ciphers: CIPHERS })

/**
 * The smallest sufficient HTTP/1.1 client over TLS: one request at a time on a connection, no session resumption.
 * Node's own client costs more than the servers under test. It does not verify the server's certificate: that takes a
 * fifth of this side's cost of a connection, on cores shared with the servers, and makes no difference to them.
 */
export class Connection {
  readonly #socket: TLSSocket
  #chunks: Buffer[] = []
  #length = 0
  /** A response with fewer bytes is incomplete. */
  #expected = 0
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined
  #broken: Error | undefined

  constructor({ port }: Target) {
    const options = { servername: 'localhost', secureContext, rejectUnauthorized: false }
    const socket = connect({ host: '127.0.0.1', port, ...options })
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('connection closed')))
    this.#socket = socket
  }

  /**
   * @param request the whole request, as bytes @throws the socket's error, or Error if the server closed without a response
   */
  ask(request: Uint8Array | string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken)
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#broken ??= error
    this.#waiting?.reject(this.#broken)
    this.#waiting = undefined
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#expected) return
    const received = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#chunks = [received]
    const answer = parseAnswer(received)
    if (typeof answer === 'number') {
      this.#expected = answer
      return
    }
    this.#chunks = []
    this.#length = 0
    this.#expected = 0
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(answer)
  }
}

/** @param last true: asks the server to close the connection afterwards, as docker and notary do with each request */
export function getRequest(path: string, last = false): Buffer {
  const close = last ? 'Connection: close\r\n' : ''
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n${close}\r\n`)
}

export function postRequest(path: string, contentType: string, body: Buffer): Buffer {
  const length = `Content-Length: ${body.length}`
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nContent-Type: ${contentType}\r\n${length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** Adds a token to a request. */
export function withToken(request: Uint8Array, token: string): Buffer {
  const bytes = Buffer.from(request.buffer, request.byteOffset, request.byteLength)
  const line = bytes.indexOf('\r\n') + 2
  return Buffer.concat([
    bytes.subarray(0, line),
    Buffer.from(`Authorization: Bearer ${token}\r\n`),
    bytes.subarray(line),
  ])
}

/** Sends one request on a connection of its own. */
export async function askOnce(target: Target, request: Uint8Array): Promise<Answer> {
  const connection = new Connection(target)
  try {
    return await connection.ask(request)
  } finally {
    connection.close()
  }
}

/** @returns a number while the response is incomplete: the least bytes that it must have */
function parseAnswer(bytes: Buffer): Answer | number {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return 0
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const start = end + 4
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) {
    const whole = start + Number(length)
    return bytes.length < whole ? whole : { status, body: bytes.subarray(start, whole) }
  }
  const body = unchunk(bytes, start)
  return typeof body === 'number' ? body : { status, body }
}

/** Go sends everything longer than 2 KB in chunks. */
function unchunk(bytes: Buffer, first: number): Buffer | number {
  const chunks: Buffer[] = []
  for (let start = first; ;) {
    const end = bytes.indexOf('\r\n', start)
    if (end < 0) return bytes.length + 1
    const size = Number.parseInt(bytes.toString('latin1', start, end), 16)
    const next = end + 2 + size + 2
    if (bytes.length < next) return next
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    start = next
  }
}
