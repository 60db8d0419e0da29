import { TrustError } from '../errors.ts'
import { checkFileMeta, type FileMeta } from '../tuf/file-meta.ts'
import type { Gun } from '../tuf/gun.ts'
import { checkTypeAndVersion, parseMetadata, type Metadata } from '../tuf/metadata.ts'
import { isTargetsRole, type DelegationRole, type Role, type TargetsRole } from '../tuf/role.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTargets } from '../tuf/targets.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { failure } from './ask.ts'

/** A document as another server or a client holds it. */
export interface ForeignDocument {
  readonly role: Role
  /** Exactly as received. */
  readonly bytes: Buffer
}

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
/** As many documents as one request to the server may carry. */
const DOCUMENTS_MAX = 2_000
/** Milliseconds for all documents together: a server may be slow with one, but not with each of thousands. */
const PATIENCE = 15 * 60_000

/** docker adds signers with keys that verify nothing, such as RSA keys of 1,024 bits. */
const MEND =
  'its owner can publish another one there, as long as that server is up; without a key: notary delegation purge -p GUN --key ID'

const TYPES: Readonly<Record<string, string>> = { root: 'Root', snapshot: 'Snapshot', timestamp: 'Timestamp' }

/** Returns how many bytes a source reads at most of one document of a role. */
export function documentMaxBytes(role: Role): number {
  return role === 'timestamp' ? TIMESTAMP_MAX_BYTES : TRUST_DATA_MAX_BYTES
}

/**
 * Reads everything that clients need of a repository, in this order: timestamp, snapshot, root, older roots (newest
 * first, back to the oldest available), targets, and each delegation that has signed something. Reads each by the
 * checksum under which another document names it, so that a concurrent publish mixes nothing. Does not verify
 * signatures. Leaves out documents that the snapshot names but nobody delegates to any more: clients neither read nor
 * keep them. From a client's cache, also leaves out delegations that clients skip.
 *
 * @throws TrustError NOT_FOUND if there is no such repository; REGISTRY if something is missing or cannot be read, or
 *   if all together exceed `TRUST_DATA_MAX_BYTES`, are too many, or take too long
 */
export async function readTrustData(
  source: TrustSource,
  gun: Gun,
  now: () => number = Date.now,
): Promise<ForeignDocument[]> {
  const documents: ForeignDocument[] = []
  const until = now() + PATIENCE
  let total = 0
  const keep = (role: Role, bytes: Buffer): Metadata => {
    total += bytes.length
    if (total > TRUST_DATA_MAX_BYTES) {
      throw failure(source, `has more than ${TRUST_DATA_MAX_BYTES} bytes of trust data for ${gun}`)
    }
    if (documents.length === DOCUMENTS_MAX) throw failure(source, `has more than ${DOCUMENTS_MAX} documents for ${gun}`)
    if (now() > until) throw failure(source, `takes more than ${PATIENCE / 60_000} minutes for ${gun}`)
    documents.push({ role, bytes })
    return readDocument(source, role, bytes)
  }
  const named = async (role: Role, meta: FileMeta | undefined, by: Role): Promise<Metadata> => {
    const bytes = meta && (await source.document(role, checksumIn(meta)))
    if (bytes === undefined && role === 'root') throw noTrustData(source, gun)
    if (meta === undefined || bytes === undefined) throw failure(source, `has no ${role}, which its ${by} names`)
    const metadata = keep(role, bytes)
    readable(source, role, () => checkFileMeta(meta, metadata.checksums, role, unnamed))
    return metadata
  }

  const newest = await source.document('timestamp')
  if (newest === undefined) throw noTrustData(source, gun)
  const timestamp = keep('timestamp', newest)
  const snapshotMeta = readable(source, 'timestamp', () => parseTimestamp(timestamp))
  const snapshot = await named('snapshot', snapshotMeta, 'timestamp')
  const meta = readable(source, 'snapshot', () => parseSnapshot(snapshot))
  const root = await named('root', meta.get('root'), 'snapshot')
  for (let version = root.version - 1; version >= 1; version -= 1) {
    const bytes = await source.document('root', { version })
    // Older servers and caches keep no old roots, and the first root may be version 2.
    if (bytes === undefined) break
    const { version: found } = keep('root', bytes)
    if (found !== version) throw failure(source, `has version ${found} of root where version ${version} should be`)
  }
  const readTargets = async (role: TargetsRole): Promise<void> => {
    const metadata = await named(role, meta.get(role), 'snapshot')
    const { delegations } = readable(source, role, () => parseTargets(metadata))
    for (const name of delegations.keys()) {
      if (meta.has(name) && (await source.skips?.(name)) !== true) await readTargets(name)
    }
  }
  await readTargets('targets')
  return documents
}

/** Decodes a document of a source. @throws TrustError REGISTRY that names the source, the role and the reason */
export function readDocument(source: Pick<TrustSource, 'name'>, role: Role, bytes: Buffer): Metadata {
  return readable(source, role, () => {
    const metadata = parseMetadata(role, bytes)
    checkTypeAndVersion(metadata, TYPES[role] ?? 'Targets', unnamed)
    return metadata
  })
}

function readable<T>(source: Pick<TrustSource, 'name'>, role: Role, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw failure(source, `has a ${role} that cannot be used: ${error.message}`, isTargetsRole(role) ? MEND : undefined)
  }
}

/** Snapshots and timestamps write checksums in base64. Without one, clients ask for the current document. */
function checksumIn({ sha256 }: FileMeta): Which | undefined {
  return sha256 === undefined ? undefined : { sha256: Buffer.from(sha256, 'base64').toString('hex') }
}

function unnamed(text: string): never {
  throw new TrustError('REGISTRY', text)
}

function noTrustData(source: TrustSource, gun: Gun): TrustError {
  return new TrustError('NOT_FOUND', `${source.name} has no trust data for ${gun}`, {
    hint: 'check the name, which has no tag; what docker calls alpine is docker.io/library/alpine here',
  })
}
