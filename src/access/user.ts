import { TrustError } from '../errors.ts'
import { findRecords, type FoundRecords } from '../store/found-records.ts'
import type { Store } from '../store/store.ts'
import type { PasswordHash } from './password.ts'
import type { Grant } from './permission.ts'

/** Somebody with a name and, unless only certificates or tokens are used, a password. A record of kind `user`. */
export interface User {
  readonly name: string
  /** Null: nobody can log in with a password. */
  readonly password: PasswordHash | null
  readonly grants: readonly Grant[]
  /** True: neither the user nor tokens of theirs are recognised. */
  readonly disabled: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** Everything that is read here: also a snapshot will do. */
export type Directory = Pick<Store, 'record' | 'records'>

/** With any API token as the password, this name will do. */
export const TOKEN_USER = 'token'

/** As registries name people and robots, since docker gives us what it logs in there with: `robot$ci`, `acme+ci`. */
const NAME = /^[a-z0-9](?:[a-z0-9._@$+-]{0,62}[a-z0-9])?$/

/** Names of users and tokens: they stand in logs and in Basic credentials. @throws TrustError INVALID_PARAMETERS */
export function parseName(text: string): string {
  if (isName(text) && text !== TOKEN_USER) return text
  throw new TrustError('INVALID_PARAMETERS', 'that cannot be a name', {
    hint: `1 to 64 of a-z, 0-9, ".", "_", "-", "@", "$", "+", beginning and ending with a letter or digit; not "${TOKEN_USER}"`,
  })
}

export function isName(text: string): boolean {
  return NAME.test(text)
}

/** @returns undefined if there is none, or this can be nobody's name @throws TrustError CORRUPT */
export function findUser(directory: Directory, name: string): User | undefined {
  return isName(name) ? (directory.record('user', name) as User | undefined) : undefined
}

/** @throws TrustError NOT_FOUND */
export function existingUser(directory: Directory, name: string): User {
  const user = findUser(directory, name)
  if (user !== undefined) return user
  throw new TrustError('NOT_FOUND', `there is no user ${name}`, { hint: '"countersign user list" prints all names' })
}

/** In byte order of their names. */
export function allUsers(directory: Directory): Promise<FoundRecords<User>> {
  return findRecords(directory, 'user')
}
