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
import { Certified } from './sockets/certified.ts'
import { Connections } from './sockets/connections.ts'
import { inOrder } from './sockets/pipelining.ts'
import type { Listener } from './sockets/watched.ts'

/** What a TLS listener serves and requires: PEM texts. */
export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  /** PEM of the authorities of client certificates; undefined: none are requested. */
  readonly ca: string | undefined
}

/** A listener on the network. */
export interface Listening {
  /** IP address. */
  readonly address: string
  readonly port: number
  /**
   * Uses this for all connections from now on. With other authorities of client certificates, ends those of clients that
   * have shown one.
   *
   * @param tls undefined for plain HTTP, as at the start
   */
  useTls(tls: TlsMaterial | undefined): void
  /** Takes no new connections, lets running requests finish for at most `shutdownSeconds`, then ends them. */
  close(): Promise<void>
}

/**
 * Throws if something already listens there: two servers that share a port would silently split its connections.
 *
 * @throws the socket's error, for example EADDRINUSE
 */
export async function mustBeFree({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const probe = createSocketServer()
  probe.listen({ host: await addressOf(host), port })
  await once(probe, 'listening')
  probe.close()
  await once(probe, 'close')
}

/**
 * Returns an IPv4 address if the name has one, as Go's servers choose: on most machines, "localhost" resolves to ::1
 * first, and nothing would listen on 127.0.0.1, where proxies are told to connect.
 *
 * @returns the name itself if it has no IPv4 address
 */
async function addressOf(host: string): Promise<string> {
  return dns.lookup(host, { family: 4 }).then(
    ({ address }) => address,
    () => host,
  )
}

/** Milliseconds between two checks of connections for timeouts. */
const TIMEOUT_CHECK_INTERVAL = 2_000

/**
 * Node's list, but first what Go's clients and servers prefer: a handshake with SHA-256 costs 5 to 10 % less than one
 * with SHA-384, which AES-256 brings along.
 */
const FIRST_CIPHER = 'TLS_AES_128_GCM_SHA256'
const CIPHERS = [FIRST_CIPHER, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== FIRST_CIPHER)].join(':')

/**
 * No Notary client resumes a session, so a ticket for each connection would be wasted. This covers TLS 1.2;
 * scripts/openssl.cnf covers 1.3.
 */
const PROTOCOL = { minVersion: 'TLSv1.2', ciphers: CIPHERS, secureOptions: constants.SSL_OP_NO_TICKET } as const

/**
 * Serves the application on a socket, with limits against slow and many clients.
 *
 * @param tls undefined: plain HTTP, which only the settings can ask for
 * @param options shared: other threads listen on the same port, and the system spreads connections over all of them
 * @throws the socket's error, for example EADDRINUSE
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
  const certified = new Certified()
  let authorities = tls?.ca
  const answerWithin = limits.answerSeconds * 1000
  const answer = app.callback()
  const begin: RequestListener = (request, response) => {
    connections.answering(response)
    certified.answering(request, response)
    dropIfNotTaken(response, answerWithin)
    answer(request, response)
  }
  server.on('request', inOrder(begin))
  passConnections(server, app, certified, {
    firstWithin: server.headersTimeout,
    answerWithin,
    nextWithin: server.keepAliveTimeout + server.keepAliveTimeoutBuffer,
    answerBegins: () => connections.begin(),
    answerEnds: () => connections.end(),
  })
  server.maxConnections = limits.connections
  // Let nothing be hidden from those who judge a request by its headers. Some versions of Node leave out lines beyond 1,000,
  // among them perhaps the one that announces a body.
  server.maxHeadersCount = 0
  server.listen({ port: settings.listen.port, host: await addressOf(settings.listen.host), reusePort: shared })
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  return {
    address,
    port,
    useTls(next) {
      if (!(server instanceof HttpsServer) || next === undefined) return
      server.setSecureContext({ ...next, ...PROTOCOL })
      if (next.ca === authorities) return
      authorities = next.ca
      certified.end()
      // Until then, a handshake may end that began with the former ones.
      setTimeout(() => certified.end(), server.headersTimeout).unref()
    },
    close: () => connections.close(settings.shutdownSeconds * 1000),
  }
}

function serverOfNode(limits: HttpSettings['limits'], tls: TlsMaterial | undefined): Server {
  const options = {
    connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL,
    // Header lines are part of the request: Node does not create a server that would give them more time.
    headersTimeout: Math.min(limits.headersSeconds, limits.requestSeconds) * 1000,
    requestTimeout: limits.requestSeconds * 1000,
    keepAliveTimeout: limits.keepAliveSeconds * 1000,
    maxHeaderSize: limits.headerBytes,
  }
  // Serve clients without a certificate too.
  const asking = { requestCert: tls?.ca !== undefined, rejectUnauthorized: false }
  const server: Server =
    tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({ ...options, ...tls, ...asking, ...PROTOCOL, handshakeTimeout: options.headersTimeout })
  // A client that half-closes after a request still waits for the response, which Node drops unless this undocumented
  // option is set. During a handshake, a client that closes has gone.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('secureConnection', (socket: Socket) => {
    socket.allowHalfOpen = true
  })
  return server
}

/** Has the application take new connections, for TLS after the handshake, in place of Node's HTTP server. */
function passConnections(
  server: Server,
  { connected }: App,
  certified: Certified,
  parts: Omit<Listener, 'giveToNode'>,
): void {
  const isTls = server instanceof HttpsServer
  const event = isTls ? 'secureConnection' : 'connection'
  const [accept] = server.listeners(event) as [(socket: Socket) => void]
  const giveToNode = (socket: Socket): void => {
    accept.call(server, socket)
    if (isTls) readFromStream(socket)
  }
  const listener: Listener = { ...parts, giveToNode }
  server.off(event, accept)
  server.on(event, (socket: Socket) => {
    certified.add(socket)
    if (connected === undefined) giveToNode(socket)
    else connected(socket, listener)
  })
}

/**
 * Makes Node read TLS from the stream. By default, its server reads below it, where everything that arrived together is
 * delivered together, even right after a pause: the parser, which waits until responses are taken, fails on that, and the
 * connection ends in the middle of a response. Once somebody listens for data, it reads from the stream, which can wait.
 */
function readFromStream(socket: Socket): void {
  const listener = (): void => undefined
  socket.on('data', listener)
  socket.off('data', listener)
}

/** Drops clients that take nothing of their response: Node waits for them forever. @param within milliseconds */
function dropIfNotTaken(response: ServerResponse, within: number): void {
  // Before there is a response, the server is the slow one.
  response.setTimeout(within, () => {
    if (response.headersSent) response.destroy()
  })
}
