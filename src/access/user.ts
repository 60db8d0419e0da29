import { TrustError } from '../errors.ts'
import { findRecords, type FoundRecords } from '../store/found-records.ts'
import type { Store } from '../store/store.ts'
import type { PasswordHash } from './password.ts'
import type { Grant } from './permission.ts'

/** A user with a name and, unless they use only certificates or tokens, a password. A record of kind `user`. */
export interface User {
  readonly name: string
  /** Null: the user cannot log in with a password. */
  readonly password: PasswordHash | null
  readonly grants: readonly Grant[]
  /** True: neither the user nor their tokens are recognised. */
  readonly disabled: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** The part of the store that access reads; a snapshot will do too. */
export type Directory = Pick<Store, 'record' | 'records'>

/** User name that goes with any API token as the password. */
export const TOKEN_USER = 'token'

/** As registries name people and robots (`robot$ci`, `acme+ci`), since docker logs in here with the same names. */
const NAME = /^[a-z0-9](?:[a-z0-9._@$+-]{0,62}[a-z0-9])?$/

/** Checks a name of a user or token; names go into logs and Basic credentials. @throws TrustError INVALID_PARAMETERS */
export function parseName(text: string): string {
  if (isName(text) && text !== TOKEN_USER) return text
  throw new TrustError('INVALID_PARAMETERS', 'that is not a valid name', {
    hint: `1 to 64 of a-z, 0-9, ".", "_", "-", "@", "$", "+", beginning and ending with a letter or digit; not "${TOKEN_USER}"`,
  })
}

export function isName(text: string): boolean {
  return NAME.test(text)
}

/** @returns undefined if there is no such user, or this cannot be a name @throws TrustError CORRUPT */
export function findUser(directory: Directory, name: string): User | undefined {
  return isName(name) ? (directory.record('user', name) as User | undefined) : undefined
}

/** @throws TrustError NOT_FOUND */
export function existingUser(directory: Directory, name: string): User {
  const user = findUser(directory, name)
  if (user !== undefined) return user
  throw new TrustError('NOT_FOUND', `there is no user ${name}`, { hint: '"countersign user list" prints all names' })
}

/** Returns all users in byte order of their names. */
export function allUsers(directory: Directory): Promise<FoundRecords<User>> {
  return findRecords(directory, 'user')
}
