import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The open connections of a server and the requests that are being answered on them, so that both can be ended. Node's
 * own list has neither connections that are in a TLS handshake nor, as idle, those that never sent a request.
 */
export class Connections {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #answering = 0
  #quiet: (() => void) | undefined

  constructor(server: Server) {
    this.#server = server
    // For TLS this is the connection below it.
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** A request is answered from now on. */
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

  /** Take no new ones, let what is being answered finish for at most `within` milliseconds, then end all. */
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
