import { hash } from 'node:crypto'
import { isUsable, tokenById, tokenNamed, type ApiToken } from './api-token.ts'
import { LOCAL, type Identity } from './permission.ts'
import { findUser, type Directory, type User } from './user.ts'

/** Identities of users and of API tokens, as both are at this moment; and how one is found again. */

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

/** A token may never do more than its owner, as they are now. */
export function ofToken(directory: Directory, token: ApiToken, now: number): Identity | undefined {
  if (!isUsable(token, now)) return undefined
  const identity = { name: `token:${token.name}`, grants: token.grants, subject: `token:${token.id}` }
  if (token.owner === null) return identity
  const owner = findUser(directory, token.owner)
  return owner === undefined || owner.disabled ? undefined : { ...identity, bounds: [owner.grants] }
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

/** The user's name in an identity's name, `user:alice` say; undefined for tokens and for LOCAL. */
export function userNamed(identityName: string): string | undefined {
  return /^(?:user|certificate):(.+)$/.exec(identityName)?.[1]
}

/**
 * The user who is behind an identity, by whatever of theirs it was recognised; otherwise the identity's own name.
 *
 * @returns `user:alice`, `token:ci`, `local`
 */
export function personBehind(directory: Directory, { name, subject = '' }: Identity): string {
  const [, tokenId] = /^token:(.+)$/.exec(subject) ?? []
  const user = tokenId === undefined ? userNamed(name) : tokenById(directory, tokenId)?.owner
  return user == null ? name : `user:${user}`
}

/**
 * What somebody may do at this moment, by the name that the journal knows them by.
 *
 * @param now milliseconds since 1970
 */
export async function identityNamed(directory: Directory, name: string, now: number): Promise<Identity | undefined> {
  if (name === LOCAL.name) return LOCAL
  const [, kind, ownName = ''] = /^(user|certificate|token):(.+)$/.exec(name) ?? []
  if (kind === 'user' || kind === 'certificate') return ofUser(kind, findUser(directory, ownName))
  const token = kind === 'token' ? await tokenNamed(directory, ownName) : undefined
  return token && ofToken(directory, token, now)
}
