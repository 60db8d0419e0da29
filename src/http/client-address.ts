import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { TLSSocket } from 'node:tls'

/** The parts of a request that matter here. */
export type Sent = Pick<IncomingMessage, 'socket' | 'headers'>

/** Finds out where requests come from. */
export interface ClientAddresses {
  /** Returns the client's IP address, as far as trusted proxies vouch for it; undefined: a unix socket, or a closed one. */
  of(request: Sent): string | undefined
  /**
   * Returns the address by which wrong passwords and uploads in progress are counted; undefined: it may be a proxy's, which
   * all clients share.
   */
  ofOneClient(request: Sent): string | undefined
}

/**
 * Reads X-Forwarded-For. Each proxy appends the address that it got the request from, so the last address that is no
 * trusted proxy is the client's. Everything before it is only the client's claim.
 *
 * @param trustedProxies addresses, or networks as in 10.0.0.0/8
 */
export function clientAddresses(trustedProxies: readonly string[]): ClientAddresses {
  const proxies = new BlockList()
  for (const proxy of trustedProxies) {
    const [address = '', bits] = proxy.split('/')
    if (bits === undefined) proxies.addAddress(address, familyOf(address))
    else proxies.addSubnet(address, Number(bits), familyOf(address))
  }
  const isProxy = (address: string): boolean => proxies.check(address, familyOf(address))
  const of = ({ socket: { remoteAddress }, headers }: Sent): string | undefined => {
    if (trustedProxies.length === 0 || remoteAddress === undefined || !isProxy(remoteAddress)) return remoteAddress
    let client = remoteAddress
    for (const text of String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .toReversed()) {
      const address = addressIn(text.trim())
      if (isIP(address) === 0) break
      client = address
      if (!isProxy(address)) break
    }
    return client
  }
  return {
    of,
    ofOneClient(request) {
      const { socket } = request
      const client = of(request)
      // Without TLS, there is a proxy in front of us.
      const mayBeProxy = client === socket.remoteAddress && !(socket instanceof TLSSocket)
      return client === undefined || mayBeProxy || isProxy(client) ? undefined : client
    },
  }
}

/** Some gateways append the port, as in 192.0.2.1:5678 or [2001:db8::1]:5678. */
const WITH_PORT = /^(?:([\d.]+):\d{1,5}|\[([^\]]+)\](?::\d{1,5})?)$/

function addressIn(text: string): string {
  const [, ipv4, ipv6] = WITH_PORT.exec(text) ?? []
  // A zone (fe80::1%eth0) belongs to the proxy's own machine, and may be of any length.
  const [address = ''] = (ipv4 ?? ipv6 ?? text).split('%')
  return address
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}
