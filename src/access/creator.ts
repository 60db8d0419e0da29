import { ofToken, ofUser } from './access.ts'
import { allTokens, isUsable, tokenById } from './api-token.ts'
import { LOCAL, type Identity } from './permission.ts'
import { findUser, type Directory } from './user.ts'

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
  const [, kind, userName = ''] = /^(user|certificate):(.+)$/.exec(name) ?? []
  if (kind === 'user' || kind === 'certificate') return ofUser(kind, findUser(directory, userName))
  const token = (await allTokens(directory)).values.find((each) => `token:${each.name}` === name && isUsable(each, now))
  return token && ofToken(directory, token, now)
}
