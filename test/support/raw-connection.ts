import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './exchange.ts'

const END_OF_HEAD = '\r\n\r\n'

/** Sends what no HTTP client would, and takes responses off one by one. Text is latin1: one character per byte. */
export class RawConnection {
  readonly socket: Socket
  #received = ''
  #changed = (): void => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('data', (text: string) => {
      this.#received += text
      this.#changed()
    })
    socket.on('close', () => this.#changed())
  }

  static async open(endpoint: Endpoint): Promise<RawConnection> {
    const { hostname: host, port, protocol } = new URL(endpoint.url)
    const to = { host, port: Number(port) }
    const tls = protocol === 'https:'
    const socket = tls ? connectTls({ ...to, servername: host, ca: endpoint.ca ?? '' }) : connect(to)
    const connection = new RawConnection(socket)
    await once(socket, tls ? 'secureConnect' : 'connect')
    return connection
  }

  /** What was received but not taken yet. */
  get rest(): string {
    return this.#received
  }

  write(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** @returns the next response, head and body; everything left if the server closed before it was complete */
  async answer(): Promise<string> {
    let length: number | undefined
    for (;;) {
      // Only once per response: each look joins what has arrived into one text.
      length ??= this.#lengthOfNext()
      if (length !== undefined && this.#received.length >= length) {
        const answer = this.#received.slice(0, length)
        this.#received = this.#received.slice(length)
        return answer
      }
      if (this.socket.closed) return this.#received
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }

  /** Sends one request and returns its response. */
  async ask(text: string): Promise<string> {
    this.write(text)
    return this.answer()
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
  }

  #lengthOfNext(): number | undefined {
    const end = this.#received.indexOf(END_OF_HEAD)
    if (end < 0) return undefined
    const [, length = '0'] = /\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, end)) ?? []
    return end + END_OF_HEAD.length + Number(length)
  }
}
