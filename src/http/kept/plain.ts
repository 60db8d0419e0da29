import type { IncomingMessage } from 'node:http'

/** Headers that change the response: conditions, a body, other protocols. */
const UNUSUAL = ['if-none-match', 'content-length', 'transfer-encoding', 'expect', 'upgrade'] as const

/** True for a GET whose headers do not change the response. */
export function isPlain(request: IncomingMessage): boolean {
  const { method, httpVersion, headers } = request
  if (method !== 'GET' || httpVersion !== '1.1' || countOfHosts(request) !== 1) return false
  return UNUSUAL.every((name) => headers[name] === undefined)
}

/** Counts Host headers: of two, Node uses the first, and a proxy in front of it perhaps the last (RFC 9112 §3.2). */
export function countOfHosts({ rawHeaders }: IncomingMessage): number {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') hosts += 1
  }
  return hosts
}
