import { hash } from 'node:crypto'
import { LimitedMap } from '../memory/limited-map.ts'
import type { Claims } from './web-token.ts'

/** Milliseconds for which a token is not verified again: clients ask for four documents and more with each. */
const KNOWN_FOR = 60_000
/** Bytes of all tokens that are known, each with what is around it. */
const KNOWN_MAX_BYTES = 4 * 1024 * 1024
const AROUND_TOKEN_BYTES = 512

interface Known {
  readonly claims: Claims
  /** Milliseconds since 1970. */
  readonly verifiedAt: number
  readonly bytes: number
}

/**
 * What web tokens say that were verified within the last minute: a key or a certificate that is taken away is felt a
 * minute later at most, the end of the token itself at once. The tokens are not kept, only their hashes.
 */
export class KnownTokens {
  readonly #known = new LimitedMap<string, Known>(KNOWN_MAX_BYTES, ({ bytes }) => bytes + AROUND_TOKEN_BYTES)

  /** @param now milliseconds since 1970 @returns undefined: it has to be verified */
  get(text: string, now: number): Claims | undefined {
    const known = this.#known.get(nameOf(text))
    if (known === undefined) return undefined
    const { claims, verifiedAt } = known
    const since = now - verifiedAt
    return since >= 0 && since <= KNOWN_FOR && now <= claims.ends ? claims : undefined
  }

  /** The token was just verified. @returns its claims */
  add(text: string, claims: Claims, now: number): Claims {
    this.#known.set(nameOf(text), { claims, verifiedAt: now, bytes: text.length })
    return claims
  }
}

function nameOf(text: string): string {
  return hash('sha256', text, 'base64url')
}
