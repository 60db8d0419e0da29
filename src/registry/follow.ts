import { isLoopback } from '../loopback.ts'
import { discard, failure, request } from './ask.ts'

/** As many redirects as docker follows. */
const REDIRECTS_MAX = 10

/**
 * Sends a GET request and follows redirects, except unencrypted ones to other machines. Sends `Authorization` only to
 * the origin of the first URL.
 *
 * @returns the last response; its `url` says where it is from
 * @throws TrustError REGISTRY if there is no response, or too many redirects
 */
export async function follow(first: URL, headers: Readonly<Record<string, string>>): Promise<Response> {
  const { Authorization: _, ...harmless } = headers
  let url = first
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const response = await request(url, { headers: url.origin === first.origin ? headers : harmless })
    const next = redirectOf(response)
    if (next === null || !mayFollow(url, next)) return response
    await discard(response)
    url = next
  }
  throw failure({ name: first.origin }, `redirects more than ${REDIRECTS_MAX} times`)
}

function redirectOf({ status, headers, url }: Response): URL | null {
  const location = [301, 302, 303, 307, 308].includes(status) ? headers.get('location') : null
  return location === null ? null : URL.parse(location, url)
}

/** A digest that came unencrypted over a network must not be signed. `fetch` refuses URLs with credentials. */
function mayFollow(from: URL, to: URL): boolean {
  if (to.username !== '' || to.password !== '') return false
  return to.protocol === 'https:' || (from.protocol === 'http:' && to.protocol === 'http:' && isLoopback(to.hostname))
}
