import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The open connections of a server and the requests that are being answered on them, so that both can be ended. Node's
 * own list has neither connections that are in a TLS handshake nor, as idle, those that never sent a request.
 */
export class Connections {
  readonly #sockets = new Set<Socket>()
  #answering = 0
  #quiet: (() => void) | undefined

  constructor(server: Server) {
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

  /** Resolves when nothing is being answered, or after `limit` milliseconds. */
  async quiet(limit: number): Promise<void> {
    if (this.#answering === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#quiet = resolve
      timer = setTimeout(resolve, limit)
    })
    clearTimeout(timer)
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
