import type { Metadata } from './metadata.ts'

const BEFORE = Buffer.from('{"signed":')
const BEHIND = Buffer.from(',"signatures":')

/**
 * `signed` as it stands in a document of a Go client, where that is not its canonical form. notary signs custom data as
 * its file has them, members in any order and with escapes, which no client can verify (wire spec §12).
 *
 * @returns undefined if it is canonical, or some other program wrote the document
 */
export function signedAsWritten({ bytes, message }: Metadata): Uint8Array | undefined {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = document.lastIndexOf(BEHIND)
  if (end === -1 || !document.subarray(0, BEFORE.length).equals(BEFORE)) return undefined
  const written = document.subarray(BEFORE.length, end)
  return written.equals(message()) ? undefined : written
}
