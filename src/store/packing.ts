import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { TrustError } from '../errors.ts'
import { DAMAGED_HINT } from './hints.ts'
import { hexSha256 } from './journal.ts'

/**
 * How the bytes of a document are stored: whole, or as the difference from an older document of the same role. Adding one
 * tag to thousands then writes a few hundred bytes instead of all tags again. The base of a difference is stored whole,
 * so two look-ups read a document. The exception: if a repository was deleted and published again, the base may itself be
 * a difference, since a base remembered from before the delete may be stored as a difference after it.
 */
export type Packed =
  | { readonly form: 'whole'; readonly bytes: Uint8Array }
  | { readonly form: 'difference'; readonly base: string; readonly bytes: Uint8Array }

/** A document stored whole, from which others are stored as differences. */
export interface Base {
  /** Lower-case hex. */
  readonly sha256: string
  readonly bytes: Uint8Array
}

/** A difference longer than this fraction of the document is not worth the second look-up. */
const DIFFERENCE_MAX_PART = 1 / 4

const compress = promisify(zstdCompress)

/** Packs the bytes of a document, as the difference from the base if that is much shorter. */
export async function pack(bytes: Uint8Array, base: Base | undefined): Promise<Packed> {
  if (base === undefined) return { form: 'whole', bytes }
  const reach = base.bytes.length + bytes.length
  const windowLog = Math.max(10, Math.ceil(Math.log2(reach)))
  const params = {
    [constants.ZSTD_c_compressionLevel]: 1,
    [constants.ZSTD_c_windowLog]: windowLog,
    // One hash entry per 16 bytes of the base: enough to find what is equal, in a third of the time.
    [constants.ZSTD_c_hashLog]: Math.max(6, windowLog - 4),
  }
  const difference = await compress(bytes, { dictionary: base.bytes, params })
  if (difference.length > bytes.length * DIFFERENCE_MAX_PART) return { form: 'whole', bytes }
  return { form: 'difference', base: base.sha256, bytes: difference }
}

/**
 * Unpacks the bytes of a document.
 *
 * @param sha256 of the document; checked, so that no fault in packing can ever serve wrong bytes
 * @param load reads the base
 * @throws TrustError CORRUPT
 */
export function unpack(packed: Packed, sha256: string, load: (sha256: string) => Uint8Array | undefined): Uint8Array {
  if (packed.form === 'whole') return packed.bytes
  const dictionary = load(packed.base)
  const bytes = dictionary === undefined ? undefined : decompressed(packed.bytes, dictionary)
  if (bytes !== undefined && hexSha256(bytes) === sha256) return bytes
  throw new TrustError('CORRUPT', `the document ${sha256} cannot be put together from ${packed.base}`, {
    hint: DAMAGED_HINT,
  })
}

function decompressed(bytes: Uint8Array, dictionary: Uint8Array): Uint8Array | undefined {
  try {
    return zstdDecompressSync(bytes, { dictionary })
  } catch {
    return undefined
  }
}
