import type { Metadata } from './metadata.ts'

const BEFORE = Buffer.from('{"signed":')
const BEHIND = Buffer.from(',"signatures":')

/**
 * Returns the bytes of `signed` as a Go client wrote them, if they are not canonical. notary signs custom data as they
 * are in its file, with unsorted members and escapes; no client can verify such a signature (wire spec §12).
 *
 * @returns undefined if `signed` is canonical, or if another program wrote the document
 */
export function signedAsWritten({ bytes, message }: Metadata): Uint8Array | undefined {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = document.lastIndexOf(BEHIND)
  if (end === -1 || !document.subarray(0, BEFORE.length).equals(BEFORE)) return undefined
  const written = document.subarray(BEFORE.length, end)
  return written.equals(message()) ? undefined : written
}
