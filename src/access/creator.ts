import { ofToken, ofUser } from './access.ts'
import { allTokens, isUsable } from './api-token.ts'
import { LOCAL, type Identity } from './permission.ts'
import { findUser, type Directory } from './user.ts'

/** The user's name in an identity's name, `user:alice` say; undefined for tokens and for LOCAL. */
export function userNamed(identityName: string): string | undefined {
  return /^(?:user|certificate):(.+)$/.exec(identityName)?.[1]
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
