import { LimitedMap } from '../memory/limited-map.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import type { Role } from '../tuf/role.ts'

/** Bytes of the documents kept; decoded, they take about five times as much memory. */
const KEPT_MAX_BYTES = 8 * 1024 * 1024
/** Bytes added for each document, so that there are not many more small ones than there are cached keys. */
const AROUND_DOCUMENT_BYTES = 5_300

/**
 * A cache of the last decoded document of each role, so that root and targets of a busy repository are not parsed again
 * with every publish. It cannot be outdated: callers read from the store which document is current, and ask by checksum.
 */
export class DecodedDocuments {
  readonly #kept = new LimitedMap<string, Metadata>(KEPT_MAX_BYTES, ({ bytes }) => bytes.length + AROUND_DOCUMENT_BYTES)

  /** Returns the document with this checksum. @param decode reads and decodes it; undefined if it does not exist */
  get(gun: Gun, role: Role, sha256: string, decode: () => Metadata | undefined): Metadata | undefined {
    const name = nameOf(gun, role)
    const kept = this.#kept.get(name)
    const found = kept?.checksums.sha256 === sha256 ? kept : decode()
    // Set a kept document again, too, so that the most recently used is dropped last.
    if (found !== undefined) this.#kept.set(name, found)
    return found
  }

  /** Returns the last document kept for a role, current or not. */
  last(gun: Gun, role: Role): Metadata | undefined {
    return this.#kept.get(nameOf(gun, role))
  }

  /** Keeps a document instead of the previous one of its role. */
  keep(gun: Gun, metadata: Metadata): void {
    this.#kept.set(nameOf(gun, metadata.role), metadata)
  }
}

/** No GUN and no role has a line end. */
function nameOf(gun: Gun, role: Role): string {
  return `${gun}\n${role}`
}
