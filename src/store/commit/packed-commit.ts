import { unlessDamaged } from '../../errors.ts'
import { LimitedMap } from '../../memory/limited-map.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Records } from '../database/records.ts'
import { decodeDocument } from '../encoding.ts'
import { documentKey, rangeOf } from '../keyspace.ts'
import { pack, PACK_MIN_BYTES, type Base, type Packed } from '../packing.ts'
import type { Commit, Head, NewDocument } from '../store.ts'

/** A document as it will be stored. */
export interface PackedNewDocument extends Omit<NewDocument, 'bytes'> {
  readonly packed: Packed
}

/**
 * A commit with all that takes time done: what is left is to compare the head and to write. What was read for it was
 * read of the head that it expects; should that be another one meanwhile, the commit is refused.
 */
export interface PackedCommit extends Omit<Commit, 'documents'> {
  readonly documents: readonly PackedNewDocument[]
  /** Keys of the records that a delete removes. */
  readonly removed: readonly Uint8Array[]
}

/** Bytes of the bases that are kept in memory: that of a busy repository is not read and hashed with every publish… */
const BASES_MAX_BYTES = 4 * 1024 * 1024
/** …but after so long, milliseconds: it may be damaged by then, and no difference to it could be read. */
const READ_AGAIN_AFTER = 10_000

interface KeptBase extends Base {
  /** Milliseconds, of `performance`. */
  readonly readAt: number
}

/** Packs commits, in each thread its own. */
export class CommitPacker {
  readonly #records: Records
  readonly #headOf: (gun: Gun) => Head | undefined
  readonly #bases = new LimitedMap<string, KeptBase>(BASES_MAX_BYTES, ({ bytes }) => bytes.length)

  /** @param headOf the stored head of a repository */
  constructor(records: Records, headOf: (gun: Gun) => Head | undefined) {
    this.#records = records
    this.#headOf = headOf
  }

  async pack(commit: Commit): Promise<PackedCommit> {
    const { gun, documents } = commit
    const head = documents.some(({ bytes }) => bytes.length >= PACK_MIN_BYTES) ? this.#headOf(gun) : undefined
    return {
      ...commit,
      documents: await Promise.all(documents.map((document) => this.#packDocument(gun, head, document))),
      removed: commit.kind === 'delete' ? await this.#keysOfDocuments(gun) : [],
    }
  }

  /** As the difference to the role's current document, or to what that one is a difference to. */
  async #packDocument(
    gun: Gun,
    head: Head | undefined,
    { bytes, ...document }: NewDocument,
  ): Promise<PackedNewDocument> {
    const isWhole = document.whole === true || bytes.length < PACK_MIN_BYTES
    const current = isWhole ? undefined : head?.roles[document.role]?.sha256
    const base = current === undefined ? undefined : this.#baseOf(gun, document.role, current)
    return { ...document, packed: await pack(bytes, base) }
  }

  /**
   * Bytes of one checksum are always the same, but how they are stored differs: whole in one repository, as a difference in
   * another. A base that is kept serves its own repository and role alone, where it is current or below what is current.
   */
  #baseOf(gun: Gun, role: string, sha256: string): Base | undefined {
    const name = `${gun}\n${role}\n${sha256}`
    const kept = this.#bases.get(name)
    const now = performance.now()
    if (kept !== undefined && now - kept.readAt < READ_AGAIN_AFTER) return kept
    const packed = this.#readable(documentKey(gun, role, sha256))
    if (packed === undefined) return undefined
    if (packed.form === 'difference') return this.#baseOf(gun, role, packed.base)
    const base = { sha256, bytes: packed.bytes, readAt: now }
    this.#bases.set(name, base)
    return base
  }

  /** What is damaged is no base, and no reason to refuse what takes its place. */
  #readable(key: Buffer): Packed | undefined {
    return unlessDamaged(() => {
      const payload = this.#records.get(key)
      return payload && decodeDocument(payload).packed
    })
  }

  async #keysOfDocuments(gun: Gun): Promise<Buffer[]> {
    const found: Buffer[] = []
    for (const kind of ['document', 'version'] as const) {
      for await (const key of this.#records.keys(rangeOf(kind, gun))) found.push(key)
    }
    return found
  }
}
