import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Requests of one connection are answered one after the other, those too that are sent ahead. Node's server hands over all
 * that has come: for a client that reads nothing it would have a thousand answers made at once, and kept. What still
 * waits when its connection ends, or is ended by an answer, is not done.
 */
export function inOrder(answer: RequestListener): RequestListener {
  const connections = new WeakMap<Socket, Pipeline>()
  return (request, response) => {
    const { socket } = request
    let pipeline = connections.get(socket)
    if (pipeline === undefined) {
      pipeline = new Pipeline(socket)
      connections.set(socket, pipeline)
    }
    pipeline.take(response, () => answer(request, response))
  }
}

/** What Node's server notes on a connection that it reads nothing from. */
interface Connection extends Socket {
  readonly _paused?: boolean
}

/** Of one connection. While somebody waits, nothing more is read from it. */
class Pipeline {
  readonly #socket: Connection
  #last: ServerResponse | undefined
  #waiting = 0

  constructor(socket: Connection) {
    this.#socket = socket
  }

  take(response: ServerResponse, work: () => void): void {
    const before = this.#last
    this.#last = response
    if (before === undefined || before.closed) return work()
    // Node reads on whenever a request has been read, or something was written.
    if (this.#waiting === 0) this.#socket.on('resume', this.#pause)
    this.#waiting += 1
    this.#pause()
    before.once('close', () => {
      this.#waiting -= 1
      if (this.#waiting === 0) this.#readOn()
      if (this.#socket.writable) work()
    })
  }

  #readOn(): void {
    this.#socket.off('resume', this.#pause)
    // Node waits too, with its parser, until what it answers by itself is sent: it would fail at what comes before.
    if (!this.#socket._paused) this.#socket.resume()
  }

  readonly #pause = (): void => {
    this.#socket.pause()
  }
}
