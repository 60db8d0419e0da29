import { hash } from 'node:crypto'
import { isUsable, tokenById, type ApiToken } from './api-token.ts'
import type { Identity } from './permission.ts'
import { findUser, type Directory, type User } from './user.ts'

/** Current identities of users and of API tokens, and how one is found again. */

/** @param kind how they were recognised @returns undefined if there is no such user, or they are disabled */
export function identityOfUser(kind: 'user' | 'certificate', user: User | undefined): Identity | undefined {
  if (user === undefined || user.disabled) return undefined
  const name = `${kind}:${user.name}`
  return { name, grants: user.grants, subject: `${name}#${markOf(kind, user)}` }
}

/** Returns a mark that changes with the password and for a new user of the same name, whom old tokens do not serve. */
function markOf(kind: 'user' | 'certificate', { createdAt, password }: User): string {
  const secret = kind === 'user' ? (password?.hash ?? '') : ''
  return hash('sha256', `${createdAt} ${secret}`, 'hex').slice(0, 16)
}

/** Returns the identity of a token, which never may do more than its owner may now. */
export function identityOfToken(directory: Directory, token: ApiToken, now: number): Identity | undefined {
  if (!isUsable(token, now)) return undefined
  const identity = { name: `token:${token.name}`, grants: token.grants, subject: `token:${token.id}` }
  if (token.owner === null) return identity
  const owner = findUser(directory, token.owner)
  return owner === undefined || owner.disabled ? undefined : { ...identity, bounds: [owner.grants] }
}

/**
 * Returns whoever an identity's subject names, with what they may do now.
 *
 * @returns undefined once the credentials that they were recognised by are no longer valid
 */
export function holderOf(directory: Directory, subject: string, now: number): Identity | undefined {
  const [, kind, name = ''] = /^(user|certificate|token):([^#]+)/.exec(subject) ?? []
  const token = kind === 'token' ? tokenById(directory, name) : undefined
  const found =
    kind === 'user' || kind === 'certificate'
      ? identityOfUser(kind, findUser(directory, name))
      : token && identityOfToken(directory, token, now)
  return found?.subject === subject ? found : undefined
}

/** Returns the user's name in an identity's name such as `user:alice`; undefined for tokens and for LOCAL. */
export function userNamed(identityName: string): string | undefined {
  return /^(?:user|certificate):(.+)$/.exec(identityName)?.[1]
}

/**
 * Returns the user behind an identity, however they were recognised; otherwise the identity's own name.
 *
 * @returns `user:alice`, `token:ci`, `local`
 */
export function personBehind(directory: Directory, { name, subject = '' }: Identity): string {
  const [, tokenId] = /^token:(.+)$/.exec(subject) ?? []
  const user = tokenId === undefined ? userNamed(name) : tokenById(directory, tokenId)?.owner
  return user == null ? name : `user:${user}`
}
