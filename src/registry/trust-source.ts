import { TrustError } from '../errors.ts'
import { checkTypeAndVersion, parseMetadata, type Metadata } from '../tuf/metadata.ts'
import { isTargetsRole, type DelegationRole, type Role } from '../tuf/role.ts'
import { failure } from './ask.ts'

/** Selects one of a role's documents: by its checksum in lower-case hex, or by its version. */
export type Which = { readonly sha256: string } | { readonly version: number }

/** Reads the documents of one repository. */
export interface TrustSource {
  /** For messages: `https://notary.docker.io`, or a directory. */
  readonly name: string
  /**
   * Reads the current document of a role, or the selected one.
   *
   * @returns undefined if there is none
   * @throws TrustError REGISTRY if it cannot be read, or is longer than `documentMaxBytes`
   */
  document(role: Role, which?: Which): Promise<Buffer | undefined>
  /**
   * True if a delegation is missing because clients skip it and do not cache it; only caches of clients have this
   * method.
   */
  skips?(role: DelegationRole): Promise<boolean>
}

/** Clients read no longer timestamps (wire spec §14.3). */
const TIMESTAMP_MAX_BYTES = 1024 * 1024
/** Limit for all documents together: they go to the server in one request, as base64, which may have 16 MiB. */
export const TRUST_DATA_MAX_BYTES = 11 * 1024 * 1024

/** docker adds signers with keys that verify nothing, such as RSA keys of 1,024 bits. */
const MEND =
  'its owner can publish another one there, as long as that server is up; without a key: notary delegation purge -p GUN --key ID'

const TYPES: Readonly<Record<string, string>> = { root: 'Root', snapshot: 'Snapshot', timestamp: 'Timestamp' }

/** Returns how many bytes a source reads at most of one document of a role. */
export function documentMaxBytes(role: Role): number {
  return role === 'timestamp' ? TIMESTAMP_MAX_BYTES : TRUST_DATA_MAX_BYTES
}

/** Decodes a document of a source. @throws TrustError REGISTRY that names the source, the role and the reason */
export function readDocument(source: Pick<TrustSource, 'name'>, role: Role, bytes: Buffer): Metadata {
  return readable(source, role, () => {
    const metadata = parseMetadata(role, bytes)
    checkTypeAndVersion(metadata, TYPES[role] ?? 'Targets', unnamed)
    return metadata
  })
}

/** Runs a check or a parser on a document of a source. @throws TrustError REGISTRY as `readDocument` */
export function readable<T>(source: Pick<TrustSource, 'name'>, role: Role, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw failure(source, `has a ${role} that cannot be used: ${error.message}`, isTargetsRole(role) ? MEND : undefined)
  }
}

/** Refuses a document without naming it: `readable` does. */
export function unnamed(text: string): never {
  throw new TrustError('REGISTRY', text)
}
