/** Maps each scheme that a server offers (`bearer`, `basic`, …) to the parameters of its first challenge. Lower case. */
export type Challenges = ReadonlyMap<string, ReadonlyMap<string, string>>

/** `name="value"` with escapes, `name=value`, or a bare word, which begins a challenge. */
const PART = /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=]+))|[^\s",]+/g

/**
 * Returns the challenges of a 401; of any other response, none. A server may send several, in one `WWW-Authenticate`
 * header or in many, which `fetch` joins with commas (RFC 9110, section 11.6.1).
 */
export function challengesOf({ status, headers }: Pick<Response, 'status' | 'headers'>): Challenges {
  const challenges = new Map<string, Map<string, string>>()
  if (status !== 401) return challenges
  let parameters = new Map<string, string>()
  for (const [word, name, quoted, plain] of (headers.get('www-authenticate') ?? '').matchAll(PART)) {
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

/** A scope that allows only reading: a server that gets a token could use it elsewhere too. */
const PULL_SCOPE = /^repository:[^\s,]+:pull$/

/** Returns the scope that a server wants a token for; undefined if it names none, or one that allows more than to pull. */
export function pullScope(challenges: Challenges): string | undefined {
  const scope = challenges.get('bearer')?.get('scope')
  return scope !== undefined && PULL_SCOPE.test(scope) ? scope : undefined
}
