import type { IncomingMessage } from 'node:http'
import { countOfHosts } from '../hosts.ts'

/** Headers that make another answer than the usual one: conditions, a body, other protocols. */
const UNUSUAL = ['if-none-match', 'content-length', 'transfer-encoding', 'expect', 'upgrade'] as const

/** A GET that gets the usual answer, if it gets one. */
export function isPlain(request: IncomingMessage): boolean {
  const { method, httpVersion, headers } = request
  if (method !== 'GET' || httpVersion !== '1.1' || countOfHosts(request) !== 1) return false
  return UNUSUAL.every((name) => headers[name] === undefined)
}
