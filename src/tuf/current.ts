import type { Checksums } from './checksum.ts'
import type { Gun } from './gun.ts'
import type { Metadata } from './metadata.ts'
import type { Role } from './role.ts'

/** A repository's stored state at the moment of an update. */
export interface Current {
  /** Checksums of the current document of each role that has one. */
  readonly roles: ReadonlyMap<string, Checksums>
  /** The lowest version still free, minus one: 0 for a role not stored since the repository was last created. */
  readonly floor: (role: Role) => number
  /** Returns a role's current document, decoded. */
  readonly load: (role: Role) => Metadata | undefined
  /** Returns the repository and role that the server made this key for; undefined for a key it did not make. */
  readonly keyOwner: (keyId: string) => { readonly gun: Gun; readonly role: Role } | undefined
}
