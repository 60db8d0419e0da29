import { damageIn, type TrustError } from '../errors.ts'
import type { Head, NewDocument } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { ServerRole } from '../tuf/role.ts'
import { currentDocument, rootInForce } from './current.ts'
import { holdsRole } from './sign-role.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/** A current document that the server made and that can no longer be read. The server can make another one. */
export interface Damage {
  readonly role: ServerRole
  /** What is damaged. */
  readonly error: TrustError
}

/** Finds all such damage to a repository. @throws TrustError STORE_UNAVAILABLE; CORRUPT if its root is damaged, too */
export function damageMadeHere(trust: Trust, gun: Gun, head: Head): Damage[] {
  return (['timestamp', 'snapshot'] as const).flatMap((role) => {
    const error = damageTo(trust, gun, head, role)
    return error !== undefined && isMadeHere(trust, gun, head, role) ? [{ role, error }] : []
  })
}

/** Returns why a role's current document cannot be read; undefined if it can. @throws TrustError STORE_UNAVAILABLE */
export function damageTo(trust: Trust, gun: Gun, head: Head, role: ServerRole): TrustError | undefined {
  try {
    currentDocument(trust, gun, head, role)
    return undefined
  } catch (error) {
    return damageIn(error)
  }
}

/** Returns documents to be stored whole: the base of a difference may be the damaged document. */
export function storedWhole(documents: readonly NewDocument[]): NewDocument[] {
  return documents.map((document) => ({ ...document, whole: true }))
}

/** True if this server makes the next document of the role; only owners can sign a snapshot whose key they hold. */
export function isMadeHere(trust: Trust, gun: Gun, head: Head, role: ServerRole): boolean {
  if (!signedHere(head)) return false
  return role === 'timestamp' || holdsRole(trust, gun, role, rootInForce(trust, gun, head).roles[role])
}
