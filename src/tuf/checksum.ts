import { hash, webcrypto } from 'node:crypto'

/** Checksums of a document's stored bytes, each in the encoding that its readers use. */
export interface Checksums {
  /** Lower-case hex, as URLs and the store name a document. */
  readonly sha256: string
  /** Standard base64, as snapshots and timestamps name it. */
  readonly sha512: string
  /** Bytes. */
  readonly length: number
}

/** From this many bytes on, handing them to another thread costs less than hashing them here. */
const BESIDE_MIN_BYTES = 32 * 1024

/** Hash the bytes that are stored and served; never a re-serialisation of them (wire spec §6.6). */
export function checksumsOf(bytes: Uint8Array): Checksums {
  return {
    sha256: hash('sha256', bytes, 'hex'),
    sha512: hash('sha512', bytes, 'base64'),
    length: bytes.length,
  }
}

/** As `checksumsOf`, but computes the SHA-512 of large documents, the slowest of the hashes, on another thread. */
export async function checksumsBeside(bytes: Uint8Array): Promise<Checksums> {
  if (bytes.length < BESIDE_MIN_BYTES) return checksumsOf(bytes)
  const hashing = webcrypto.subtle.digest('SHA-512', bytes)
  const sha256 = hash('sha256', bytes, 'hex')
  return { sha256, sha512: Buffer.from(await hashing).toString('base64'), length: bytes.length }
}
