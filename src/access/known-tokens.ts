import { hash } from 'node:crypto'
import { LimitedMap } from '../memory/limited-map.ts'
import type { Claims } from './web-token.ts'

/** Milliseconds for which a token is not verified again: clients request four or more documents with each. */
const KNOWN_FOR = 60_000
/** Most bytes of all cached tokens, and the overhead of each. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_TOKEN_BYTES = 512

interface Known {
  readonly claims: Claims
  /** Milliseconds since 1970. */
  readonly verifiedAt: number
  readonly bytes: number
}

/**
 * Claims of web tokens that were verified within the last minute. So a key or certificate that is withdrawn works for
 * at most another minute, while a token's own end counts at once. Stores hashes of tokens, not the tokens.
 */
export class KnownTokens {
  readonly #known = new LimitedMap<string, Known>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_TOKEN_BYTES)
  /** The token that was refused in this turn of the event loop, and why. */
  #refused: { readonly text: string; readonly reason: unknown } | undefined

  /** @param now milliseconds since 1970 @returns undefined: the token must be verified @throws what `refuse` was given */
  get(text: string, now: number): Claims | undefined {
    if (this.#refused?.text === text) throw this.#refused.reason
    const known = this.#known.get(nameOf(text))
    if (known === undefined) return undefined
    const { claims, verifiedAt } = known
    const since = now - verifiedAt
    return since >= 0 && since <= KNOWN_FOR && now <= claims.ends ? claims : undefined
  }

  /** Records that the token was just verified. @returns its claims */
  add(text: string, claims: Claims, now: number): Claims {
    this.#known.set(nameOf(text), { claims, verifiedAt: now, bytes: text.length })
    return claims
  }

  /**
   * Records that the token was just refused, until the event loop goes on. Where an answer is kept, a request that may not
   * have it asks again at once: if its token was verified twice, the time would tell what exists.
   */
  refuse(text: string, reason: unknown): void {
    this.#refused = { text, reason }
    setImmediate(() => {
      this.#refused = undefined
    })
  }
}

function nameOf(text: string): string {
  return hash('sha256', text, 'base64url')
}
