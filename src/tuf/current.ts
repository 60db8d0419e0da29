import type { Checksums } from './checksum.ts'
import type { Gun } from './gun.ts'
import type { Metadata } from './metadata.ts'
import type { Role } from './role.ts'

/** What is stored of a repository at the moment of an update. */
export interface Current {
  /** Checksums of the current document of each role that has one. */
  readonly roles: ReadonlyMap<string, Checksums>
  /** The lowest version that is still free, less one: 0 for a role never stored in this life of the repository. */
  readonly floor: (role: Role) => number
  /** The current document of a role, decoded. */
  readonly load: (role: Role) => Metadata | undefined
  /** For whom the server made this key: undefined if it did not make it. */
  readonly keyOwner: (keyId: string) => { readonly gun: Gun; readonly role: Role } | undefined
}
