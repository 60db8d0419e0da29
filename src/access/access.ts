import { hash } from 'node:crypto'
import { findToken, isUsable, looksLikeToken, tokenById, type ApiToken } from './api-token.ts'
import { KnownTokens } from './known-tokens.ts'
import type { PasswordCheck } from './passwords.ts'
import { ANONYMOUS, type Identity } from './permission.ts'
import { grantsOf } from './scope.ts'
import type { TokenMaker } from './token-maker.ts'
import { findUser, TOKEN_USER, type Directory, type User } from './user.ts'
import { TokenRefused, verifyWebToken, verifyWebTokenAtOnce, type Claims, type TokenRules } from './web-token.ts'

/** What `createAccess` works with; the parts that a setting did not ask for are undefined. */
interface AccessParts {
  readonly directory: Directory
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly passwords: PasswordCheck
  /** The built-in token endpoint. */
  readonly maker?: TokenMaker | undefined
  /** An external token service. */
  readonly external?: TokenRules | undefined
  /** The user that a certificate's common name stands for. */
  readonly userOfCertificate: (commonName: string) => string | undefined
}

/** Recognises who asks. */
export interface Access {
  /** The built-in token endpoint; undefined: there is none. */
  readonly maker: TokenMaker | undefined
  /** A Bearer token: an API token, or a JWT. @throws TokenRefused with the reason, for the log alone */
  bearer(text: string): Promise<Identity>
  /** The same where it can be told without waiting. @returns undefined: ask `bearer` */
  bearerAtOnce(text: string): Identity | undefined
  /** An API token. @returns undefined if it cannot be used */
  apiToken(text: string): Identity | undefined
  /**
   * Basic credentials: a user and their password, or an API token as the password of `token` or of its own name.
   *
   * @returns undefined if they are wrong, without a word on what
   * @throws TrustError BUSY
   */
  basic(user: string, password: string, address: string | undefined): Promise<Identity | undefined>
  /** A client certificate that TLS has verified. @returns undefined if it stands for no user */
  certificate(commonName: string): Identity | undefined
}

/** Puts together what recognises them. */
export function createAccess({ directory, now, passwords, maker, external, userOfCertificate }: AccessParts): Access {
  const known = new KnownTokens()
  const ofClaims = (claims: Claims): Identity | undefined =>
    maker === undefined ? ofExternal(claims) : ofBuiltIn(directory, claims, now())
  const rules = maker?.rules ?? external
  const claimsAtOnce = (text: string, by: TokenRules): Claims | undefined => {
    const found = known.get(text, now())
    if (found !== undefined) return found
    const verified = verifyWebTokenAtOnce(text, by, now())
    return verified && known.add(text, verified, now())
  }
  return {
    maker,
    async bearer(text) {
      if (looksLikeToken(text)) return ofText(directory, text, now()) ?? refuse('the API token cannot be used')
      if (rules === undefined) return refuse('no web token is taken here')
      const claims = claimsAtOnce(text, rules) ?? known.add(text, await verifyWebToken(text, rules, now()), now())
      return ofClaims(claims) ?? refuse('whoever it was made for is not recognised any more')
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
      return user === undefined ? undefined : ofUser('user', user)
    },
    certificate(commonName) {
      const name = userOfCertificate(commonName)
      return name === undefined ? undefined : ofUser('certificate', findUser(directory, name))
    },
  }
}

/** @param kind by what they were recognised @returns undefined for one who is not there, or disabled */
export function ofUser(kind: 'user' | 'certificate', user: User | undefined): Identity | undefined {
  if (user === undefined || user.disabled) return undefined
  const name = `${kind}:${user.name}`
  return { name, grants: user.grants, subject: `${name}#${markOf(kind, user)}` }
}

/** Another one for another password, and for another user of the same name: tokens of the former are not theirs. */
function markOf(kind: 'user' | 'certificate', { createdAt, password }: User): string {
  const secret = kind === 'user' ? (password?.hash ?? '') : ''
  return hash('sha256', `${createdAt} ${secret}`, 'hex').slice(0, 16)
}

function ofText(directory: Directory, text: string, now: number): Identity | undefined {
  const token = findToken(directory, text)
  return token === undefined ? undefined : ofToken(directory, token, now)
}

/** A token may never do more than its owner, as they are now. */
export function ofToken(directory: Directory, token: ApiToken, now: number): Identity | undefined {
  if (!isUsable(token, now)) return undefined
  const identity = { name: `token:${token.name}`, grants: token.grants, subject: `token:${token.id}` }
  if (token.owner === null) return identity
  const owner = findUser(directory, token.owner)
  return owner === undefined || owner.disabled ? undefined : { ...identity, bounds: [owner.grants] }
}

/** What the token says, and not more than whoever it was made for may do now: a change is felt at once. */
function ofBuiltIn(directory: Directory, { subject, access }: Claims, now: number): Identity | undefined {
  if (subject === '') return ANONYMOUS
  const holder = holderOf(directory, subject, now)
  if (holder === undefined) return undefined
  const { grants, bounds = [] } = holder
  return { ...holder, grants: grantsOf(access, true), bounds: [grants, ...bounds] }
}

/**
 * Whoever an identity's subject names, and what they may do now.
 *
 * @returns undefined once they are not recognised any more by what they were recognised by
 */
export function holderOf(directory: Directory, subject: string, now: number): Identity | undefined {
  const [, kind, name = ''] = /^(user|certificate|token):([^#]+)/.exec(subject) ?? []
  const token = kind === 'token' ? tokenById(directory, name) : undefined
  const found =
    kind === 'user' || kind === 'certificate'
      ? ofUser(kind, findUser(directory, name))
      : token && ofToken(directory, token, now)
  return found?.subject === subject ? found : undefined
}

function ofExternal({ subject, access }: Claims): Identity {
  return { name: subject === '' ? ANONYMOUS.name : `external:${subject}`, grants: grantsOf(access, false) }
}

function refuse(reason: string): never {
  throw new TokenRefused(reason)
}
