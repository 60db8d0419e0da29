import { unlessDamaged } from '../../errors.ts'
import { LimitedMap } from '../../memory/limited-map.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { NamedDocument } from '../audit/account.ts'
import { decodeDocument, encodeDocument, type PackedDocument } from '../encoding.ts'
import { hexSha256 } from '../journal.ts'
import { documentKey } from '../keyspace.ts'
import { ifInRange } from '../leveldb/if-in-range.ts'
import { unpack } from '../packing.ts'
import type { Found, Sources } from './sources.ts'

/** Bytes kept in memory: many differences have the same base. */
const KEPT_MAX_BYTES = 16 * 1024 * 1024

interface FoundBytes extends Found {
  readonly bytes: Uint8Array
}

/** Finds the bytes of documents in any source and however packed; their checksum proves that they are right. */
export class DocumentBytes {
  readonly #sources: Sources
  readonly #kept = new LimitedMap<string, FoundBytes>(
    KEPT_MAX_BYTES,
    ({ bytes, payload }) => bytes.length + payload.length,
  )

  /** Documents that were found nowhere, so that each difference from one does not search again. */
  readonly #lost = new Set<string>()
  /** How often a search stopped because it came back to a document that is being put together. */
  #circles = 0

  constructor(sources: Sources) {
    this.#sources = sources
  }

  of(gun: Gun, role: string, sha256: string): Uint8Array | undefined {
    return this.#find(gun, role, sha256, new Set())?.bytes
  }

  /**
   * Returns the payload of a document's record: as found if it will be readable in the new store, otherwise packed whole.
   *
   * @param isStored true for the checksums of documents of this role in the new store: a difference from any other base
   *   could not be read
   * @returns undefined if the bytes are found nowhere
   */
  payload(
    gun: Gun,
    { role, version, sha256, createdAt }: NamedDocument,
    isStored: (sha256: string) => boolean,
  ): Found | undefined {
    const found = this.#find(gun, role, sha256, new Set())
    if (found === undefined) return undefined
    const { bytes, payload, origin } = found
    const document = decodeDocument(payload)
    const { packed } = document
    const readable = packed.form === 'whole' || isStored(packed.base)
    if (readable && document.version === version && document.createdAt === createdAt) return { payload, origin }
    const whole = encodeDocument({ version, createdAt, packed: { form: 'whole', bytes } })
    return { payload: whole, origin: origin === 'whole' ? 'derived' : origin }
  }

  /**
   * @param above the documents being put together. They may name each other in a circle, if damaged, or if store and
   *   backup are from before and after a delete of the repository
   */
  #find(gun: Gun, role: string, sha256: string, above: Set<string>): FoundBytes | undefined {
    const name = `${gun}\n${role}\n${sha256}`
    if (this.#lost.has(name)) return undefined
    if (above.has(sha256)) {
      this.#circles += 1
      return undefined
    }
    const kept = this.#kept.get(name)
    if (kept !== undefined) return kept
    const circles = this.#circles
    for (const { payload, origin } of this.#sources.candidates(documentKey(gun, role, sha256), 'hash')) {
      // It may be shorter than the header of every document.
      const document = ifInRange(() => decodeDocument(payload))
      const bytes = document && this.#unpacked(gun, role, sha256, document, new Set([...above, sha256]))
      if (bytes === undefined) continue
      const found = { bytes, payload, origin }
      this.#kept.set(name, found)
      return found
    }
    // After a stopped search it may still be found from another starting point.
    if (circles === this.#circles) this.#lost.add(name)
    return undefined
  }

  #unpacked(
    gun: Gun,
    role: string,
    sha256: string,
    { packed }: PackedDocument,
    above: Set<string>,
  ): Uint8Array | undefined {
    const bytes = unlessDamaged(() => unpack(packed, sha256, (base) => this.#find(gun, role, base, above)?.bytes))
    return bytes !== undefined && hexSha256(bytes) === sha256 ? bytes : undefined
  }
}
