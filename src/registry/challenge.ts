/** The ways in that a server offers: by scheme (`bearer`, `basic`, …) the parameters of its first challenge; in lower case. */
export type Challenges = ReadonlyMap<string, ReadonlyMap<string, string>>

/** `name="value"`, where quotes may be escaped, `name=value`, or a word on its own, which begins a challenge. */
const PART = /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=]+))|[^\s",]+/g

/**
 * The challenges of a 401, of which nothing else is read: a server may offer several, in one `WWW-Authenticate` or in many,
 * which are joined by commas (RFC 9110, section 11.6.1).
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
