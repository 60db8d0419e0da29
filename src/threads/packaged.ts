import type { PackedCommit } from '../store/commit/packed-commit.ts'

/**
 * Prepares a commit for transfer to another thread. Copies its bytes once and hands the copies over: most are views of
 * larger buffers, which would otherwise be copied whole.
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
