import { LimitedMap } from '../memory/limited-map.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import type { Role } from '../tuf/role.ts'

/** Bytes of the documents that are kept; decoded they take some five times as much memory. */
const KEPT_MAX_BYTES = 4 * 1024 * 1024
/** What is added for each, so that of small ones there are not many more than there are keys that are kept ready, bytes. */
const AROUND_DOCUMENT_BYTES = 2_000

/**
 * The document of each role that was decoded last: root and targets of a busy repository are not parsed again with
 * every publish. Which document is current is always read from the store, and bytes of one checksum are always the
 * same: one that is kept is found only by the checksum that is asked for.
 */
export class DecodedDocuments {
  readonly #kept = new LimitedMap<string, Metadata>(KEPT_MAX_BYTES, ({ bytes }) => bytes.length + AROUND_DOCUMENT_BYTES)

  /** @param decode reads and decodes it; undefined if it is not there */
  get(gun: Gun, role: Role, sha256: string, decode: () => Metadata | undefined): Metadata | undefined {
    const name = nameOf(gun, role)
    const kept = this.#kept.get(name)
    const found = kept?.checksums.sha256 === sha256 ? kept : decode()
    // A kept document is set again too: what was asked for last is dropped last.
    if (found !== undefined) this.#kept.set(name, found)
    return found
  }

  /** The one that was kept last, current or not. */
  last(gun: Gun, role: Role): Metadata | undefined {
    return this.#kept.get(nameOf(gun, role))
  }

  /** In place of the one before it. */
  keep(gun: Gun, metadata: Metadata): void {
    this.#kept.set(nameOf(gun, metadata.role), metadata)
  }
}

/** No GUN and no role has a line end. */
function nameOf(gun: Gun, role: Role): string {
  return `${gun}\n${role}`
}
