import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { TrustError } from '../errors.ts'
import { hexSha256 } from './journal.ts'

/**
 * How the bytes of a document are stored: whole, or as the difference to an older document of the same role. A publish
 * of one tag into thousands writes a few hundred bytes instead of all tags again. A difference is to a document that is
 * stored whole, so that a document is read with two look-ups. Only where a repository was deleted and published again
 * may it be to another difference: what was kept of its first life as a whole base is one in the second.
 */
export type Packed =
  | { readonly form: 'whole'; readonly bytes: Uint8Array }
  | { readonly form: 'difference'; readonly base: string; readonly bytes: Uint8Array }

/** A document that is stored whole. */
export interface Base {
  /** Lower-case hex. */
  readonly sha256: string
  readonly bytes: Uint8Array
}

/** Documents of fewer bytes are stored whole: most of a small one changes with every version. */
export const PACK_MIN_BYTES = 4096
/** A difference that is longer than this part of the document is not worth the second look-up. */
const DIFFERENCE_MAX_PART = 1 / 4

const compress = promisify(zstdCompress)

/** @param base undefined if there is no older document of the role */
export async function pack(bytes: Uint8Array, base: Base | undefined): Promise<Packed> {
  if (base === undefined || bytes.length < PACK_MIN_BYTES) return { form: 'whole', bytes }
  const reach = base.bytes.length + bytes.length
  const windowLog = Math.max(10, Math.ceil(Math.log2(reach)))
  const params = {
    [constants.ZSTD_c_compressionLevel]: 1,
    [constants.ZSTD_c_windowLog]: windowLog,
    // One remembered place in 16 bytes of the base: enough to find what is the same, at a third of the time.
    [constants.ZSTD_c_hashLog]: Math.max(6, windowLog - 4),
  }
  const difference = await compress(bytes, { dictionary: base.bytes, params })
  if (difference.length > bytes.length * DIFFERENCE_MAX_PART) return { form: 'whole', bytes }
  return { form: 'difference', base: base.sha256, bytes: difference }
}

/**
 * @param sha256 of the document; compared, so that no fault of packing ever serves other bytes
 * @param load reads the base
 * @throws TrustError CORRUPT
 */
export function unpack(packed: Packed, sha256: string, load: (sha256: string) => Uint8Array | undefined): Uint8Array {
  if (packed.form === 'whole') return packed.bytes
  const dictionary = load(packed.base)
  const bytes = dictionary === undefined ? undefined : decompressed(packed.bytes, dictionary)
  if (bytes !== undefined && hexSha256(bytes) === sha256) return bytes
  throw new TrustError('CORRUPT', `the document ${sha256} cannot be put together from ${packed.base}`)
}

function decompressed(bytes: Uint8Array, dictionary: Uint8Array): Uint8Array | undefined {
  try {
    return zstdDecompressSync(bytes, { dictionary })
  } catch {
    return undefined
  }
}
