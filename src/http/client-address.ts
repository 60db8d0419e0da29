import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What is looked at of a request. */
export type Sent = Pick<IncomingMessage, 'socket' | 'headers'>

/** From where requests come. */
export interface ClientAddresses {
  /** IP address of whoever asks, as far as trusted hands lead; undefined: a unix socket, or one that is closed. */
  of(request: Sent): string | undefined
  /**
   * The same, by which wrong passwords and room for uploads are counted: undefined also where it may be a proxy's, from whose
   * address everybody comes.
   */
  ofOneClient(request: Sent): string | undefined
}

/**
 * Each proxy adds to X-Forwarded-For from where it was asked: the last address that no trusted proxy has is the client's.
 * What stands before it is the client's own word.
 *
 * @param trustedProxies addresses, or networks with their number of bits, as in 10.0.0.0/8
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
      // Without TLS there is a proxy before us.
      const mayBeProxy = client === socket.remoteAddress && !(socket instanceof TLSSocket)
      return client === undefined || mayBeProxy || isProxy(client) ? undefined : client
    },
  }
}

/** Some gateways put the port behind it, as in 192.0.2.1:5678 or [2001:db8::1]:5678. */
const WITH_PORT = /^(?:([\d.]+):\d{1,5}|\[([^\]]+)\](?::\d{1,5})?)$/

function addressIn(text: string): string {
  const [, ipv4, ipv6] = WITH_PORT.exec(text) ?? []
  // A zone (fe80::1%eth0) is of the proxy's own machine, and of any length.
  const [address = ''] = (ipv4 ?? ipv6 ?? text).split('%')
  return address
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}
