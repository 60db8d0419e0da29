import { TrustError } from '../errors.ts'
import { checkFileMeta, type FileMeta } from '../tuf/file-meta.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import type { Role, TargetsRole } from '../tuf/role.ts'
import { parseSnapshot, type SnapshotMeta } from '../tuf/snapshot.ts'
import { parseTargets } from '../tuf/targets.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { failure } from './ask.ts'
import { readable, readDocument, TRUST_DATA_MAX_BYTES, unnamed, type TrustSource, type Which } from './trust-source.ts'

/** A document as another server or a client holds it. */
export interface ForeignDocument {
  readonly role: Role
  /** Exactly as received. */
  readonly bytes: Buffer
}

/** As many documents as one request to the server may carry. */
const DOCUMENTS_MAX = 2_000
/** Milliseconds for all documents together: a server may be slow with one, but not with each of thousands. */
const PATIENCE = 15 * 60_000

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
  const reading = new Reading(source, gun, now)
  const timestamp = await reading.timestamp()
  const snapshotMeta = readable(source, 'timestamp', () => parseTimestamp(timestamp))
  const snapshot = await reading.named('snapshot', snapshotMeta, 'timestamp')
  const meta = readable(source, 'snapshot', () => parseSnapshot(snapshot))
  const root = await reading.named('root', meta.get('root'), 'snapshot')
  await readOlderRoots(reading, root.version)
  await readTargets(reading, meta, 'targets')
  return reading.documents
}

async function readOlderRoots(reading: Reading, newest: number): Promise<void> {
  const { source } = reading
  for (let version = newest - 1; version >= 1; version -= 1) {
    const bytes = await source.document('root', { version })
    // Older servers and caches keep no old roots, and the first root may be version 2.
    if (bytes === undefined) return
    const { version: found } = reading.keep('root', bytes)
    if (found !== version) throw failure(source, `has version ${found} of root where version ${version} should be`)
  }
}

/** Reads targets, or a delegation, and all that it delegates to, depth first. */
async function readTargets(reading: Reading, meta: SnapshotMeta, role: TargetsRole): Promise<void> {
  const { source } = reading
  const metadata = await reading.named(role, meta.get(role), 'snapshot')
  const { delegations } = readable(source, role, () => parseTargets(metadata))
  for (const name of delegations.keys()) {
    if (meta.has(name) && (await source.skips?.(name)) !== true) await readTargets(reading, meta, name)
  }
}

/** The documents of one repository that have been read so far, within the limits for all together. */
class Reading {
  readonly source: TrustSource
  readonly documents: ForeignDocument[] = []
  readonly #gun: Gun
  readonly #now: () => number
  /** When it has taken too long. */
  readonly #until: number
  /** Bytes of all documents. */
  #total = 0

  constructor(source: TrustSource, gun: Gun, now: () => number) {
    this.source = source
    this.#gun = gun
    this.#now = now
    this.#until = now() + PATIENCE
  }

  async timestamp(): Promise<Metadata> {
    const bytes = await this.source.document('timestamp')
    if (bytes === undefined) throw this.#noTrustData()
    return this.keep('timestamp', bytes)
  }

  /** Reads the document that another one names. @param meta what that says of it; undefined: nothing */
  async named(role: Role, meta: FileMeta | undefined, by: Role): Promise<Metadata> {
    const bytes = meta && (await this.source.document(role, checksumIn(meta)))
    if (bytes === undefined && role === 'root') throw this.#noTrustData()
    if (meta === undefined || bytes === undefined) throw failure(this.source, `has no ${role}, which its ${by} names`)
    const metadata = this.keep(role, bytes)
    readable(this.source, role, () => checkFileMeta(meta, metadata.checksums, role, unnamed))
    return metadata
  }

  /** Adds a document, and decodes it. */
  keep(role: Role, bytes: Buffer): Metadata {
    this.#total += bytes.length
    if (this.#total > TRUST_DATA_MAX_BYTES) {
      throw this.#failure(`has more than ${TRUST_DATA_MAX_BYTES} bytes of trust data`)
    }
    if (this.documents.length === DOCUMENTS_MAX) throw this.#failure(`has more than ${DOCUMENTS_MAX} documents`)
    if (this.#now() > this.#until) throw this.#failure(`takes more than ${PATIENCE / 60_000} minutes`)
    this.documents.push({ role, bytes })
    return readDocument(this.source, role, bytes)
  }

  #failure(what: string): TrustError {
    return failure(this.source, `${what} for ${this.#gun}`)
  }

  #noTrustData(): TrustError {
    return new TrustError('NOT_FOUND', `${this.source.name} has no trust data for ${this.#gun}`, {
      hint: 'check the name, which has no tag; what docker calls alpine is docker.io/library/alpine here',
    })
  }
}

/** Without a checksum, clients ask for the current document. */
function checksumIn({ sha256 }: FileMeta): Which | undefined {
  return sha256 === undefined ? undefined : { sha256 }
}
