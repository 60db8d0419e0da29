import { refuse } from '../../errors.ts'
import type { StoredDocument } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { parseMetadata, type Metadata } from '../../tuf/metadata.ts'
import { BASE_ROLES, isTargetsRole, type Role } from '../../tuf/role.ts'
import { parseRoot } from '../../tuf/root.ts'
import { parseTargets } from '../../tuf/targets.ts'
import type { Documents } from '../trust.ts'

/** A document of another server; there is one for each version of root. */
export interface ForeignDocument {
  readonly role: Role
  readonly bytes: Uint8Array
}

/** A repository of another server, decoded, and readable as if it were stored here. */
export interface Offered {
  readonly documents: readonly Metadata[]
  /** The current documents by role; of several roots the newest. */
  readonly current: ReadonlyMap<string, Metadata>
  /** Reads the offered documents, and roots that were not offered from the store. */
  readonly view: Documents
}

/**
 * Decodes the documents of an offered repository.
 *
 * @param now when they would be stored, milliseconds since 1970
 * @throws TrustError MALFORMED_JSON; INVALID_UPDATE if a document does not fit its role, comes twice, or is missing
 */
export function readOffered(stored: Documents, offered: readonly ForeignDocument[], now: number): Offered {
  const documents = offered.map(({ role, bytes }) => decoded(role, bytes))
  const current = new Map<string, Metadata>()
  const found = new Map<string, StoredDocument>()
  for (const each of documents) {
    const { role, version, bytes, checksums } = each
    const other = current.get(role)
    if (found.has(`${role} ${version}`) || (other !== undefined && role !== 'root')) refuseOffer(`${role} comes twice`)
    if (other === undefined || other.version < version) current.set(role, each)
    const document = { bytes, version, sha256: checksums.sha256, createdAt: now }
    found.set(`${role} ${version}`, document)
    found.set(`${role} ${checksums.sha256}`, document)
  }
  const missing = BASE_ROLES.find((role) => !current.has(role))
  if (missing !== undefined) refuseOffer(`${missing} is missing`)
  const document = (gun: Gun, role: Role, at: { sha256: string } | { version: number }): StoredDocument | undefined =>
    found.get(`${role} ${'sha256' in at ? at.sha256 : at.version}`) ?? stored.store.document(gun, role, at)
  return { documents, current, view: { store: { document } } }
}

function decoded(role: Role, bytes: Uint8Array): Metadata {
  const metadata = parseMetadata(role, bytes)
  // Check delegations that are no longer delegated, too: the next publish may delegate to them again.
  if (isTargetsRole(role)) parseTargets(metadata)
  if (role === 'root') parseRoot(metadata)
  return metadata
}

function refuseOffer(text: string): never {
  return refuse('ErrValidation', `not all of a repository: ${text}`)
}
