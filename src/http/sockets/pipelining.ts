import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Answers the requests of one connection one after the other, even pipelined ones. Node's server would hand over all
 * that have arrived: for a client that reads nothing, it would have a thousand responses made at once, and kept.
 * Requests that still wait when their connection ends, or a response ends it, are not executed.
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

/** Node's own note that it has paused reading from a connection. */
interface Connection extends Socket {
  readonly _paused?: boolean
}

/** The queue of one connection. While a request waits, nothing more is read. */
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
    // Node resumes reading whenever a request was read, or something was written.
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
    // Node pauses too, with its parser, until a response of its own is sent: it would fail on earlier data.
    if (!this.#socket._paused) this.#socket.resume()
  }

  readonly #pause = (): void => {
    this.#socket.pause()
  }
}
