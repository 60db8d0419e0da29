import { constants } from 'node:crypto'
import dns from 'node:dns/promises'
import { once } from 'node:events'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net'
import { DEFAULT_CIPHERS } from 'node:tls'
import { createServer as createHttpServer } from '../node-http.ts'
import type { HttpSettings } from '../settings/schema.ts'
import type { App } from './app.ts'
import { Connections } from './sockets/connections.ts'
import { inOrder } from './sockets/pipelining.ts'
import type { Listener } from './sockets/watched.ts'

/** What a TLS listener serves and asks for: PEM texts. */
export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  /** PEM of those who issue client certificates; undefined: none is asked for. */
  readonly ca: string | undefined
}

/** A listener on the network. */
export interface Listening {
  /** IP address. */
  readonly address: string
  readonly port: number
  /** Serve this to all connections from now on. @param tls undefined for plain HTTP, as at the start */
  useTls(tls: TlsMaterial | undefined): void
  /** Take no new connections, let running requests finish for at most `shutdownSeconds`, then end them. */
  close(): Promise<void>
}

/**
 * Nobody must be listening there: with a shared port two servers would divide its connections, and neither would say so.
 *
 * @throws the socket's error, EADDRINUSE say
 */
export async function mustBeFree({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const probe = createSocketServer()
  probe.listen({ host: await addressOf(host), port })
  await once(probe, 'listening')
  probe.close()
  await once(probe, 'close')
}

/**
 * Of IPv4 if the name has one, as Go's servers take it: "localhost" is ::1 as well on most machines, and there first. Nobody
 * would be found at 127.0.0.1, which is what proxies are told.
 *
 * @returns the name itself if it has none
 */
async function addressOf(host: string): Promise<string> {
  return dns.lookup(host, { family: 4 }).then(
    ({ address }) => address,
    () => host,
  )
}

/** How often connections are held against their timeouts, milliseconds. */
const TIMEOUT_CHECK_INTERVAL = 2_000

/**
 * Node's list with what Go's clients and servers put first: a handshake with SHA-256 costs 5 to 10 % less than the one with
 * SHA-384 that AES-256 brings.
 */
const FIRST_CIPHER = 'TLS_AES_128_GCM_SHA256'
const CIPHERS = [FIRST_CIPHER, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== FIRST_CIPHER)].join(':')

/**
 * No client of Notary's takes a session up again: a ticket would be made for each connection, for nothing. This is for TLS
 * 1.2; for 1.3 scripts/openssl.cnf says it.
 */
const PROTOCOL = { minVersion: 'TLSv1.2', ciphers: CIPHERS, secureOptions: constants.SSL_OP_NO_TICKET } as const

/**
 * Put the application on a socket, with limits against slow and many clients.
 *
 * @param tls undefined: plain HTTP, which only the settings can ask for
 * @param options shared: other threads listen on the same port; the system deals connections out to all of them
 * @throws the socket's error, EADDRINUSE say
 */
export async function listen(
  app: App,
  settings: Pick<HttpSettings, 'limits' | 'listen' | 'shutdownSeconds'>,
  tls: TlsMaterial | undefined,
  { shared = false }: { readonly shared?: boolean } = {},
): Promise<Listening> {
  const { limits } = settings
  const server = serverOfNode(limits, tls)
  const connections = new Connections(server)
  const answerWithin = limits.answerSeconds * 1000
  const answer = app.callback()
  const begin: RequestListener = (request, response) => {
    connections.answering(response)
    dropIfNotTaken(response, answerWithin)
    answer(request, response)
  }
  server.on('request', inOrder(begin))
  const event = tls === undefined ? 'connection' : 'secureConnection'
  const [giveToNode] = server.listeners(event) as [(socket: Socket) => void]
  const give = (socket: Socket): void => {
    giveToNode.call(server, socket)
    if (tls !== undefined) readFromStream(socket)
  }
  const listener: Listener = {
    firstWithin: server.headersTimeout,
    answerWithin,
    nextWithin: server.keepAliveTimeout + server.keepAliveTimeoutBuffer,
    give,
    begin: () => connections.begin(),
    end: () => connections.end(),
  }
  server.off(event, giveToNode)
  server.on(event, (socket: Socket) => (app.connected === undefined ? give(socket) : app.connected(socket, listener)))
  server.maxConnections = limits.connections
  server.listen({ port: settings.listen.port, host: await addressOf(settings.listen.host), reusePort: shared })
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  return {
    address,
    port,
    useTls(next) {
      if (server instanceof HttpsServer && next !== undefined) server.setSecureContext({ ...next, ...PROTOCOL })
    },
    close: () => connections.close(settings.shutdownSeconds * 1000),
  }
}

function serverOfNode(limits: HttpSettings['limits'], tls: TlsMaterial | undefined): Server {
  const options = {
    connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL,
    // Header lines are a part of the request: Node makes no server that would give them more time.
    headersTimeout: Math.min(limits.headersSeconds, limits.requestSeconds) * 1000,
    requestTimeout: limits.requestSeconds * 1000,
    keepAliveTimeout: limits.keepAliveSeconds * 1000,
    maxHeaderSize: limits.headerBytes,
  }
  // Who shows no certificate is served all the same.
  const asking = { requestCert: tls?.ca !== undefined, rejectUnauthorized: false }
  const server: Server =
    tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({ ...options, ...tls, ...asking, ...PROTOCOL, handshakeTimeout: options.headersTimeout })
  // Whoever closes his side behind a request waits for the answer, which Node would drop; its documents leave this out.
  // Not during a handshake: who closes then has gone.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('secureConnection', (socket: Socket) => {
    socket.allowHalfOpen = true
  })
  return server
}

/**
 * Node's server reads TLS below the stream, where all that came together is handed over together, though it has just paused:
 * its parser, which waits until answers are taken, fails at that, and the connection ends amid an answer. As soon as
 * somebody listens for data it reads from the stream, which can wait.
 */
function readFromStream(socket: Socket): void {
  const listener = (): void => undefined
  socket.on('data', listener)
  socket.off('data', listener)
}

/** Node waits for ever for a client that takes nothing of its answer. @param within milliseconds */
function dropIfNotTaken(response: ServerResponse, within: number): void {
  // Before there is an answer it is the server that takes its time.
  response.setTimeout(within, () => {
    if (response.headersSent) response.destroy()
  })
}
