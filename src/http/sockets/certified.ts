import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { hasCertificate } from '../credentials.ts'

interface Connection {
  /** Responses that are not sent yet. */
  running: number
  ending: boolean
}

/**
 * The connections whose clients have shown a certificate. TLS verifies it once, with the authorities of that time, however
 * long the connection lives. So once there are other authorities, these connections have to end.
 */
export class Certified {
  readonly #connections = new Map<Socket, Connection>()

  /** @param socket after the handshake */
  add(socket: Socket): void {
    if (!hasCertificate(socket)) return
    this.#connections.set(socket, { running: 0, ending: false })
    socket.once('close', () => this.#connections.delete(socket))
  }

  answering({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.running += 1
    response.once('close', () => {
      connection.running -= 1
      if (connection.ending && connection.running === 0) socket.destroySoon()
    })
  }

  /** Ends all of them, after their running requests. Clients connect again, and are verified anew. */
  end(): void {
    for (const [socket, connection] of this.#connections) {
      connection.ending = true
      if (connection.running === 0) socket.destroySoon()
    }
  }
}
