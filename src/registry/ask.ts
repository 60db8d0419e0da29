import { reasonOf, TrustError } from '../errors.ts'

/** A server that is asked with docker's own credentials. */
export interface AskedServer {
  /** `https://registry-1.docker.io`, without a slash at the end. */
  readonly url: string
  /** For messages: `the registry https://registry-1.docker.io`. */
  readonly name: string
  /** By this name docker's configuration has the credentials. */
  readonly account: string
}

/** Milliseconds for one request with its answer. */
const TIMEOUT = 30_000

/**
 * One request. Redirects are not followed: an answer comes from the server itself, and credentials go to it only.
 *
 * @throws TrustError REGISTRY if there is no answer
 */
export async function request(url: URL, init: Omit<RequestInit, 'redirect' | 'signal'> = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT) })
  } catch (cause) {
    const reason = isTimeout(cause) ? `no answer in ${TIMEOUT / 1_000} seconds` : reasonOf(cause)
    // Other programs ask it all the same: who sees that it is up would look for the fault there.
    const hint =
      reason === 'bad port'
        ? `port ${url.port} is one of those that fetch, like browsers, never asks: let it listen on another`
        : `${reason}; check the name, and that it is up`
    throw new TrustError('REGISTRY', `cannot reach ${url.origin}`, { hint, cause })
  }
}

/**
 * The bytes of an answer.
 *
 * @param limit bytes
 * @throws TrustError REGISTRY if they are more, end early, or take too long
 */
export async function bodyOf(response: Response, server: AskedServer, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of response.body ?? []) {
      size += (chunk as Uint8Array).length
      if (size > limit) throw failure(server, `sends more than ${limit} bytes`)
      chunks.push(chunk as Uint8Array)
    }
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    const slow = `takes more than ${TIMEOUT / 1_000} seconds for one answer`
    throw failure(server, isTimeout(cause) ? slow : 'ended its answer early')
  }
  return Buffer.concat(chunks)
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}

/** @param what as it goes on after the server's name: "answers 500" */
export function failure(server: AskedServer, what: string, hint?: string): TrustError {
  return new TrustError('REGISTRY', `${server.name} ${what}`, { hint })
}

/** Characters of an address that a server names. */
const ADDRESS_MAX = 200

/**
 * Where a server sends on to. Docker follows a registry there, and no trust server.
 *
 * @param instead what to do about it
 * @returns a hint; undefined: it does not send on
 */
export function redirectHint(response: Response, instead: string): string | undefined {
  const location = response.headers.get('location')
  const to = location === null ? null : URL.parse(location, response.url)
  if (to === null || response.status < 300 || response.status > 399) return undefined
  return `it sends on to ${`${to.origin}${to.pathname}`.slice(0, ADDRESS_MAX)}, which is not followed: ${instead}`
}
