import { unlessDamaged } from '../../errors.ts'
import { LimitedMap } from '../../memory/limited-map.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Records } from '../database/records.ts'
import { decodeDocument } from '../encoding.ts'
import { documentKey, rangeOf } from '../keyspace.ts'
import { pack, type Base, type Packed } from '../packing.ts'
import type { Commit, Head, NewDocument } from '../store.ts'

/** A document as it will be stored. */
export interface PackedNewDocument extends Omit<NewDocument, 'bytes'> {
  readonly packed: Packed
}

/**
 * A commit with all time-consuming work done: only comparing the head and writing remain. Everything in it was computed
 * from the head that it expects; if another head is current by then, the commit is refused.
 */
export interface PackedCommit extends Omit<Commit, 'documents'> {
  readonly documents: readonly PackedNewDocument[]
  /** Keys of the records that a delete removes. */
  readonly removed: readonly Uint8Array[]
}

/** Smaller documents are stored whole: most of a small one changes with every version. */
const DIFFERENCE_MIN_BYTES = 4096
/** Bytes of bases cached in memory, so that a busy repository's base is not read and hashed with every publish… */
const BASES_MAX_BYTES = 4 * 1024 * 1024
/** …but only for this many milliseconds: if the stored base is damaged by then, no difference from it could be read. */
const READ_AGAIN_AFTER = 10_000

interface KeptBase extends Base {
  /** Milliseconds, from `performance.now()`. */
  readonly readAt: number
}

/** Packs commits; each thread has its own. */
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
    const head = documents.some(mayBeDifference) ? this.#headOf(gun) : undefined
    return {
      ...commit,
      documents: await Promise.all(documents.map((document) => this.#packDocument(gun, head, document))),
      removed: commit.kind === 'delete' ? await this.#keysOfDocuments(gun) : [],
    }
  }

  /** Packs as the difference from the role's current document, or from the base of that one. */
  async #packDocument(gun: Gun, head: Head | undefined, document: NewDocument): Promise<PackedNewDocument> {
    const { bytes, ...rest } = document
    const current = mayBeDifference(document) ? head?.roles[document.role]?.sha256 : undefined
    const base = current === undefined ? undefined : this.#baseOf(gun, document.role, current)
    return { ...rest, packed: await pack(bytes, base) }
  }

  /**
   * Returns the base of a new difference. Cached by repository and role, not by checksum alone: the same bytes may be
   * stored whole in one repository and as a difference in another.
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

  /** Returns undefined for a damaged document: it cannot be a base, but must not keep anyone from replacing it. */
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

function mayBeDifference({ bytes, whole }: NewDocument): boolean {
  return whole !== true && bytes.length >= DIFFERENCE_MIN_BYTES
}
