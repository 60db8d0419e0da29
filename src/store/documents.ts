import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { Records } from './database/records.ts'
import { decodeDocument, type PackedDocument } from './encoding.ts'
import { documentKey, versionKey } from './keyspace.ts'
import { unpack } from './packing.ts'
import type { Store } from './store.ts'

/** Returns the reader of documents among these records, which puts together those that are stored as differences. */
export function documentsIn(records: Records): Store['document'] {
  const packedDocument = (gun: Gun, role: Role, sha256: string): PackedDocument | undefined => {
    const payload = records.get(documentKey(gun, role, sha256))
    return payload === undefined ? undefined : decodeDocument(payload)
  }
  /** The recursion ends, since the base of each difference was stored before it. @throws TrustError CORRUPT */
  const bytesOf = (gun: Gun, role: Role, sha256: string, { packed }: PackedDocument): Uint8Array =>
    unpack(packed, sha256, (base) => {
      const below = packedDocument(gun, role, base)
      return below && bytesOf(gun, role, base, below)
    })
  return (gun, role, at) => {
    const sha256 = 'sha256' in at ? at.sha256 : records.get(versionKey(gun, role, at.version))?.toString('hex')
    const found = sha256 === undefined ? undefined : packedDocument(gun, role, sha256)
    if (sha256 === undefined || found === undefined) return undefined
    const { version, createdAt } = found
    try {
      return { bytes: bytesOf(gun, role, sha256, found), version, sha256, createdAt }
    } catch (error) {
      // The document was deleted between reading it and reading its base.
      if (records.raw(documentKey(gun, role, sha256)) === undefined) return undefined
      throw error
    }
  }
}
