import type { IncomingMessage } from 'node:http'

/** How many Host headers there are: of two, Node takes the first, and a proxy before it perhaps the last (RFC 9112 §3.2). */
export function countOfHosts({ rawHeaders }: IncomingMessage): number {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') hosts += 1
  }
  return hosts
}
