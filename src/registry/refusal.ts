import { bodyOf, discard, type AskedServer } from './ask.ts'

const REFUSAL_MAX_BYTES = 64 * 1024
/** Longest text to quote from a server, in characters. */
const REASON_MAX = 300
/** Longest address to quote, in characters. */
const ADDRESS_MAX = 200

/**
 * Reads why a server refused, as docker does: from JSON with `errors` (registries and Notary servers), `details` (token
 * services), or `error_description` (OAuth 2). Ends the body in any case.
 *
 * @returns ` ("…")` or the like, to end a sentence with; empty if the server does not say
 */
export async function saidReason(response: Response): Promise<string> {
  const type = response.headers.get('content-type') ?? ''
  if (!/json/i.test(type)) {
    await discard(response)
    return /html/i.test(type) ? ' with a web page: a proxy or firewall may have answered' : ''
  }
  try {
    const answer = JSON.parse(String(await bodyOf(response, { name: '' }, REFUSAL_MAX_BYTES))) as Answer
    const [first] = answer.errors ?? []
    const reason = [first?.message, first?.code, answer.details, answer.error_description].find(isText)
    return reason === undefined ? '' : ` ("${reason.slice(0, REASON_MAX)}")`
  } catch {
    return ''
  }
}

/** What servers send is not always this. */
interface Answer {
  readonly errors?: readonly ({ readonly code?: unknown; readonly message?: unknown } | undefined)[]
  readonly details?: unknown
  readonly error_description?: unknown
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/**
 * Returns a hint that says where a server redirects to. Docker follows redirects of registries, not of trust servers.
 *
 * @param instead what to do about it
 * @returns undefined if the response is no redirect
 */
export function redirectHint(response: Response, instead: string): string | undefined {
  const location = response.headers.get('location')
  const to = location === null ? null : URL.parse(location, response.url)
  if (to === null || response.status < 300 || response.status > 399) return undefined
  return `it redirects to ${`${to.origin}${to.pathname}`.slice(0, ADDRESS_MAX)}, which is not followed: ${instead}`
}

/** Returns a hint to wait; undefined if that would not help. */
export function laterHint(response: Response): string | undefined {
  if (response.status !== 429 && response.status !== 503) return undefined
  const seconds = retryAfter(response)
  return seconds === undefined ? 'try again later' : `try again in ${seconds} seconds`
}

/** Returns how many seconds a server wants to be left alone; undefined if it does not say. */
export function retryAfter({ headers }: Response): number | undefined {
  const [seconds] = /^\d{1,6}$/.exec(headers.get('retry-after') ?? '') ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** Returns a hint to log in; undefined for a server that gets no credentials. */
export function loginHint({ account }: AskedServer): string | undefined {
  return account === undefined ? undefined : `docker login ${account}`
}
