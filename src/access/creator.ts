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
  const userName = userNamed(name)
  if (userName !== undefined) {
    const user = findUser(directory, userName)
    return user === undefined || user.disabled ? undefined : { name, grants: user.grants }
  }
  const tokens = await allTokens(directory)
  const token = tokens.find((each) => `token:${each.name}` === name && isUsable(each, now))
  const owner = token?.owner == null ? undefined : findUser(directory, token.owner)
  if (token === undefined || owner?.disabled === true) return undefined
  return { name, grants: token.grants, ...(token.owner === null ? {} : { bounds: [owner?.grants ?? []] }) }
}
