import type { Metadata } from '../tuf/metadata.ts'

/** Bytes of the documents that are kept; decoded they take some five times as much memory. */
const KEPT_MAX_BYTES = 2 * 1024 * 1024

/**
 * Documents that were decoded lately, by role and checksum: the root and targets of a busy repository are not parsed
 * again with every publish. Bytes of one checksum are always the same, so nothing here is ever out of date; which
 * document is current is always read from the store.
 */
class DecodedDocuments {
  readonly #kept = new Map<string, Metadata>()
  #bytes = 0

  /** @param decode reads and decodes it; undefined if it is not there */
  get(role: string, sha256: string, decode: () => Metadata | undefined): Metadata | undefined {
    const name = `${role} ${sha256}`
    const kept = this.#kept.get(name)
    if (kept === undefined) {
      const made = decode()
      if (made !== undefined) this.keep(made)
      return made
    }
    // Asked for last, dropped last.
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    return kept
  }

  keep(metadata: Metadata): void {
    const name = `${metadata.role} ${metadata.checksums.sha256}`
    if (metadata.bytes.length > KEPT_MAX_BYTES / 2 || this.#kept.has(name)) return
    this.#kept.set(name, metadata)
    this.#bytes += metadata.bytes.length
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= KEPT_MAX_BYTES) return
      this.#kept.delete(oldest)
      this.#bytes -= bytes.length
    }
  }
}

export const decodedDocuments = new DecodedDocuments()
