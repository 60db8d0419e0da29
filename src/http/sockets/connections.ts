import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * A server's open connections and running requests, so that both can be ended. Node's own list lacks connections in a
 * TLS handshake, and does not count those that never sent a request as idle.
 */
export class Connections {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #answering = 0
  #quiet: (() => void) | undefined

  constructor(server: Server) {
    this.#server = server
    // For TLS, this is the connection below it.
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Counts a request as running until its response is closed. */
  answering(response: ServerResponse): void {
    this.begin()
    response.once('close', () => this.end())
  }

  begin(): void {
    this.#answering += 1
  }

  end(): void {
    this.#answering -= 1
    if (this.#answering === 0) this.#quiet?.()
  }

  /** Takes no new connections, lets running requests finish for at most `within` milliseconds, then ends all. */
  async close(within: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    await this.#untilQuiet(within)
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #untilQuiet(within: number): Promise<void> {
    if (this.#answering === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#quiet = resolve
    const timer = setTimeout(resolve, within)
    await promise
    clearTimeout(timer)
  }
}
