import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { TrustError } from '../../errors.ts'
import { createServer } from '../../node-http.ts'
import type { App } from '../app.ts'
import { Connections } from '../sockets/connections.ts'

/** Longest path of a socket, in bytes, that every system accepts. */
const SOCKET_PATH_MAX_BYTES = 100

/**
 * Opens the control socket: the admin API for whoever owns the data directory. The command line uses it to reach a running
 * server, since LevelDB allows only one process. Only its owner can open this unix socket; it is never on the network.
 *
 * @param shutdownSeconds for running requests, once it is closed
 * @returns closes it
 * @throws TrustError BAD_SETTINGS
 */
export async function listenOnSocket(path: string, app: App, shutdownSeconds: number): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES) {
    throw new TrustError('BAD_SETTINGS', `the path of the control socket is too long: ${path}`, {
      hint: 'choose a shorter dataDirectory',
    })
  }
  // A killed process left it: this one holds the database's lock, so nobody listens there.
  await rm(path, { force: true })
  const handle = app.callback()
  const server = createServer((request, response) => {
    connections.answering(response)
    handle(request, response)
  })
  const connections = new Connections(server)
  // The socket appears at this moment, and could be opened before its mode is changed.
  const umask = process.umask(0o177)
  server.listen(path)
  process.umask(umask)
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    throw new TrustError('BAD_SETTINGS', `cannot create the control socket ${path}: ${cause.code ?? cause.message}`, {
      hint: 'the data directory must be on a file system that supports unix sockets',
      cause,
    })
  })
  return () => connections.close(shutdownSeconds * 1000)
}
