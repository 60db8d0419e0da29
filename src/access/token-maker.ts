import { hash, randomUUID, type KeyObject } from 'node:crypto'
import type { ResourceActions } from './scope.ts'
import type { TokenRules } from './web-token.ts'

/** The Ed25519 key of the built-in token endpoint. Does not expose its private part. */
export interface TokenSigningKey {
  readonly publicKey: KeyObject
  sign(bytes: Uint8Array): Uint8Array
}

/** A token and its lifetime. */
interface MadeToken {
  readonly token: string
  readonly expiresIn: number
  /** Milliseconds since 1970. */
  readonly issuedAt: number
}

const ALGORITHM = 'EdDSA'
/** Seconds by which tokens are backdated, since clocks of other servers differ. */
const BACKDATED = 10
const BUILT_IN_ISSUER = 'countersign'

/** Makes the tokens of the built-in token endpoint, and says how to verify them. */
export interface TokenMaker {
  readonly rules: TokenRules
  /** @param now milliseconds since 1970 */
  make(subject: string, access: readonly ResourceActions[], now: number): MadeToken
}

/** @param lifeSeconds of tokens @param service the audience of tokens */
export function tokenMaker(key: TokenSigningKey, service: string, lifeSeconds: number): TokenMaker {
  const spki = key.publicKey.export({ type: 'spki', format: 'der' })
  const kid = hash('sha256', spki, 'hex').slice(0, 32)
  const verification = { key: key.publicKey, algorithm: ALGORITHM }
  return {
    rules: {
      issuer: BUILT_IN_ISSUER,
      service,
      findKey: ({ kid: named, x5c }) => (named === kid && x5c === undefined ? verification : undefined),
    },
    make(subject, access, now) {
      const iat = Math.floor(now / 1000)
      const claims = {
        iss: BUILT_IN_ISSUER,
        sub: subject,
        aud: service,
        exp: iat + lifeSeconds,
        nbf: iat - BACKDATED,
        iat,
        jti: randomUUID(),
        access,
      }
      const signed = `${encoded({ typ: 'JWT', alg: ALGORITHM, kid })}.${encoded(claims)}`
      const signature = Buffer.from(key.sign(Buffer.from(signed))).toString('base64url')
      return { token: `${signed}.${signature}`, expiresIn: lifeSeconds, issuedAt: iat * 1000 }
    },
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
