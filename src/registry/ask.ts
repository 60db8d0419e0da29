import { reasonOf, TrustError } from '../errors.ts'

/** A server that is queried with docker's own credentials. */
export interface AskedServer {
  /** Base URL without a trailing slash: `https://registry-1.docker.io`. */
  readonly url: string
  /** For messages: `the registry https://registry-1.docker.io`. */
  readonly name: string
  /** The key of this server's credentials in docker's configuration. Undefined: it gets no credentials. */
  readonly account?: string
}

/** Milliseconds for one request and its response. */
const TIMEOUT = 30_000
/** Some registries, or firewalls before them, refuse programs that do not say which they are. */
const AGENT = 'countersign'

/** What to send, as for `fetch`. */
interface Sent {
  readonly method?: 'POST'
  readonly body?: URLSearchParams
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Sends one request. Does not follow redirects: the response comes from the server itself, and credentials go only to
 * it. `follow` does.
 *
 * @throws TrustError REGISTRY if there is no response
 */
export async function request(url: URL, sent: Sent = {}): Promise<Response> {
  const headers = { 'User-Agent': AGENT, ...sent.headers }
  try {
    return await fetch(url, { ...sent, headers, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT) })
  } catch (cause) {
    const reason = isTimeout(cause) ? `no answer in ${TIMEOUT / 1_000} seconds` : reasonOf(cause)
    // Other programs can reach such a port, so somebody who sees the server up would look for the fault there.
    const hint =
      reason === 'bad port'
        ? `fetch, like browsers, refuses to use port ${url.port}: let the server listen on another port`
        : `${reason}; check the name, and that it is up`
    throw new TrustError('REGISTRY', `cannot reach ${url.origin}`, { hint, cause })
  }
}

/**
 * Reads the body of a response.
 *
 * @param limit in bytes
 * @throws TrustError REGISTRY if the body is longer, ends early, or takes too long
 */
export async function bodyOf(response: Response, server: Pick<AskedServer, 'name'>, limit: number): Promise<Buffer> {
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

/** Ends a response whose body nobody needs: a body that never ends would keep the command from ending. */
export async function discard({ body }: Response): Promise<void> {
  // It fails if the server has cut the body off meanwhile.
  await body?.cancel().catch(() => undefined)
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}

/** @param what continues the sentence after the server's name: "answers 500" */
export function failure(server: Pick<AskedServer, 'name'>, what: string, hint?: string): TrustError {
  return new TrustError('REGISTRY', `${server.name} ${what}`, { hint })
}
