/**
 * Returns bytes that are safe to keep, in memory of their own. Small Buffers are cut out of slabs, and parts out of
 * their whole body: one that is kept would keep all of it. Copies, unless the bytes are most of it anyway.
 */
export function ownBytes(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = 2 * bytes.length < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes
  return Buffer.from(buffer, byteOffset, length)
}

/** Does the same for text, since a substring keeps the whole document's text. Exact even for invalid Unicode. */
export function ownText(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}
