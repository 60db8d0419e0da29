import type { Gun } from '../tuf/gun.ts'
import { decodeDocument } from './encoding.ts'
import { documentKey, rangeOf } from './keyspace.ts'
import { pack, PACK_MIN_BYTES, type Base, type Packed } from './packing.ts'
import type { Records } from './records.ts'
import type { Commit, Head, NewDocument } from './store.ts'

/** A document as it will be stored. */
export interface PackedNewDocument extends Omit<NewDocument, 'bytes'> {
  readonly packed: Packed
}

/**
 * A commit with all that takes time done: what is left is to compare the head and to write. What was read for it was
 * read of the head that it expects; should that be another one meanwhile, the commit is refused.
 */
export interface PackedCommit extends Omit<Commit, 'documents'> {
  readonly documents: readonly PackedNewDocument[]
  /** Keys of the records that a delete removes. */
  readonly removed: readonly Uint8Array[]
}

/** @param headOf the stored head of a repository */
export async function packCommit(
  records: Records,
  headOf: (gun: Gun) => Head | undefined,
  commit: Commit,
): Promise<PackedCommit> {
  const { gun, documents } = commit
  const head = documents.some(({ bytes }) => bytes.length >= PACK_MIN_BYTES) ? headOf(gun) : undefined
  return {
    ...commit,
    documents: await Promise.all(documents.map((document) => packDocument(records, gun, head, document))),
    removed: commit.kind === 'delete' ? await keysOfDocuments(records, gun) : [],
  }
}

/** As the difference to the role's current document, or to what that one is a difference to. */
async function packDocument(
  records: Records,
  gun: Gun,
  head: Head | undefined,
  { bytes, ...document }: NewDocument,
): Promise<PackedNewDocument> {
  const current = bytes.length < PACK_MIN_BYTES ? undefined : head?.roles[document.role]?.sha256
  const base = current === undefined ? undefined : findBase(records, gun, document.role, current)
  return { ...document, packed: await pack(bytes, base) }
}

function findBase(records: Records, gun: Gun, role: string, sha256: string): Base | undefined {
  const payload = records.get(documentKey(gun, role, sha256))
  if (payload === undefined) return undefined
  const { packed } = decodeDocument(payload)
  return packed.form === 'whole' ? { sha256, bytes: packed.bytes } : findBase(records, gun, role, packed.base)
}

async function keysOfDocuments(records: Records, gun: Gun): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (const kind of ['document', 'version'] as const) {
    for await (const key of records.keys(rangeOf(kind, gun))) found.push(key)
  }
  return found
}
