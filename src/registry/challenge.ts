/** Maps each scheme that a server offers (`bearer`, `basic`, …) to the parameters of its first challenge. Lower case. */
export type Challenges = ReadonlyMap<string, ReadonlyMap<string, string>>

/** `name="value"` with escapes, `name=value`, or a bare word, which begins a challenge. */
const PART = /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=]+))|[^\s",]+/g

/**
 * Returns the challenges of a 401 and discards its body. A server may send several, in one `WWW-Authenticate` header or
 * in many, which `fetch` joins with commas (RFC 9110, section 11.6.1).
 */
export async function challengesOf(response: Response): Promise<Challenges> {
  await response.body?.cancel()
  const challenges = new Map<string, Map<string, string>>()
  let parameters = new Map<string, string>()
  for (const [word, name, quoted, plain] of (response.headers.get('www-authenticate') ?? '').matchAll(PART)) {
    if (name !== undefined) {
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
      continue
    }
    const scheme = word.toLowerCase()
    parameters = new Map()
    if (!challenges.has(scheme)) challenges.set(scheme, parameters)
  }
  return challenges
}
