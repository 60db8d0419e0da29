/** One way in that a server offers. */
export interface Challenge {
  /** `bearer`, `basic`, … in lower case. */
  readonly scheme: string
  /** By their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

/** `name="value"`, where quotes may be escaped, `name=value`, or a word on its own, which begins a challenge. */
const PART = /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=]+))|[^\s",]+/g

/**
 * All challenges of a 401: a server may offer several, in one `WWW-Authenticate` or in many, which are joined by commas
 * (RFC 9110, section 11.6.1).
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  for (const [word, name, quoted, plain] of header.matchAll(PART)) {
    if (name === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: new Map() })
    else challenges.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  }
  return challenges
}
