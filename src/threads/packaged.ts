import type { PackedCommit } from '../store/commit/packed-commit.ts'

/**
 * A commit on its way to another thread. Bytes are copied once, and then belong to the other thread: most are views of
 * larger buffers, which would be copied whole.
 */
export function packaged(commit: PackedCommit): { content: PackedCommit; transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = []
  const own = (bytes: Uint8Array): Uint8Array => {
    const copy = Uint8Array.from(bytes)
    transfer.push(copy.buffer)
    return copy
  }
  const documents = commit.documents.map((document) => {
    return { ...document, packed: { ...document.packed, bytes: own(document.packed.bytes) } }
  })
  const keys = commit.keys.map((key) => ({ ...key, sealed: own(key.sealed) }))
  return { content: { ...commit, documents, keys, removed: commit.removed.map(own) }, transfer }
}
