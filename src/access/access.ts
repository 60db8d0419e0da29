import { findToken, looksLikeToken } from './api-token.ts'
import { holderOf, identityOfToken, identityOfUser } from './identities.ts'
import { KnownTokens } from './known-tokens.ts'
import type { PasswordCheck } from './passwords.ts'
import { ANONYMOUS, type Identity } from './permission.ts'
import { grantsOf } from './scope.ts'
import type { TokenMaker } from './token-maker.ts'
import { findUser, TOKEN_USER, type Directory } from './user.ts'
import { TokenRefused, verifyWebToken, verifyWebTokenAtOnce, type Claims, type TokenRules } from './web-token.ts'

/** What `createAccess` needs; parts that no setting asks for are undefined. */
interface AccessParts {
  readonly directory: Directory
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly passwords: PasswordCheck
  /** The built-in token endpoint. */
  readonly maker?: TokenMaker | undefined
  /** An external token service. */
  readonly external?: TokenRules | undefined
  /** Returns the user that a certificate's common name stands for. */
  readonly userOfCertificate: (commonName: string) => string | undefined
}

/** Recognises who makes a request. */
export interface Access {
  /** The built-in token endpoint; undefined: there is none. */
  readonly maker: TokenMaker | undefined
  /** Recognises a Bearer token: an API token or a JWT. @throws TokenRefused with the reason, for the log only */
  bearer(text: string): Promise<Identity>
  /** Does the same if that needs no waiting. @returns undefined: call `bearer` */
  bearerAtOnce(text: string): Identity | undefined
  /** Recognises an API token. @returns undefined if it cannot be used */
  apiToken(text: string): Identity | undefined
  /**
   * Recognises Basic credentials: a user and their password, or an API token as the password of `token` or of its own name.
   *
   * @returns undefined if they are wrong; what is wrong is not disclosed
   * @throws TrustError BUSY
   */
  basic(user: string, password: string, address: string | undefined): Promise<Identity | undefined>
  /** Recognises a client certificate that TLS has verified. @returns undefined if it stands for no user */
  certificate(commonName: string): Identity | undefined
}

/** Creates the part that recognises who makes a request. */
export function createAccess({ directory, now, passwords, maker, external, userOfCertificate }: AccessParts): Access {
  const known = new KnownTokens()
  const ofClaims = (claims: Claims): Identity | undefined =>
    maker === undefined ? ofExternal(claims) : ofBuiltIn(directory, claims, now())
  const rules = maker?.rules ?? external
  const claimsAtOnce = (text: string, by: TokenRules): Claims | undefined => {
    const found = known.get(text, now())
    if (found !== undefined) return found
    try {
      const verified = verifyWebTokenAtOnce(text, by, now())
      return verified && known.add(text, verified, now())
    } catch (error) {
      known.refuse(text, error)
      throw error
    }
  }
  return {
    maker,
    async bearer(text) {
      if (looksLikeToken(text)) return ofText(directory, text, now()) ?? refuse('the API token cannot be used')
      if (rules === undefined) return refuse('web tokens are not accepted here')
      const claims = claimsAtOnce(text, rules) ?? known.add(text, await verifyWebToken(text, rules, now()), now())
      return ofClaims(claims) ?? refuse('its holder is no longer recognised')
    },
    bearerAtOnce(text) {
      if (looksLikeToken(text)) return ofText(directory, text, now())
      const claims = rules && claimsAtOnce(text, rules)
      return claims && ofClaims(claims)
    },
    apiToken: (text) => ofText(directory, text, now()),
    async basic(name, password, address) {
      if (looksLikeToken(password)) {
        const identity = ofText(directory, password, now())
        return name === TOKEN_USER || identity?.name === `token:${name}` ? identity : undefined
      }
      const user = await passwords.check(name, password, address)
      return user === undefined ? undefined : identityOfUser('user', user)
    },
    certificate(commonName) {
      const name = userOfCertificate(commonName)
      return name === undefined ? undefined : identityOfUser('certificate', findUser(directory, name))
    },
  }
}

function ofText(directory: Directory, text: string, now: number): Identity | undefined {
  const token = findToken(directory, text)
  return token === undefined ? undefined : identityOfToken(directory, token, now)
}

/** Grants what the token says, within what its holder may do now: changed grants take effect at once. */
function ofBuiltIn(directory: Directory, { subject, access }: Claims, now: number): Identity | undefined {
  if (subject === '') return ANONYMOUS
  const holder = holderOf(directory, subject, now)
  if (holder === undefined) return undefined
  const { grants, bounds = [] } = holder
  return { ...holder, grants: grantsOf(access, true), bounds: [grants, ...bounds] }
}

function ofExternal({ subject, access }: Claims): Identity {
  return { name: subject === '' ? ANONYMOUS.name : `external:${subject}`, grants: grantsOf(access, false) }
}

function refuse(reason: string): never {
  throw new TokenRefused(reason)
}
