import { createHash } from 'node:crypto'

/** Checksums of a document's stored bytes, in the encodings of their two uses. */
export interface Checksums {
  /** Lower-case hex, as URLs and the store name a document. */
  readonly sha256: string
  /** Standard base64, as snapshots and timestamps name it. */
  readonly sha512: string
  /** Bytes. */
  readonly length: number
}

/** Hash the bytes that are stored and served; never a re-serialisation of them (wire spec §6.6). */
export function checksumsOf(bytes: Uint8Array): Checksums {
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    sha512: createHash('sha512').update(bytes).digest('base64'),
    length: bytes.length,
  }
}
