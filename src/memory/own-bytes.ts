/**
 * Bytes that are to be kept, in memory of their own: small Buffers are cut out of slabs, parts out of what came with
 * them, and one that is kept would keep all of it. A copy, unless they are most of it anyway.
 */
export function ownBytes(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = 2 * bytes.length < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes
  return Buffer.from(buffer, byteOffset, length)
}

/** The same of text: a piece of a document's text keeps all of it. Exact, also of what is no Unicode. */
export function ownText(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}
