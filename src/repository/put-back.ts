import { unlessDamaged } from '../errors.ts'
import type { Actor, Commit, Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { parseRoot } from '../tuf/root.ts'
import type { Draft } from './change.ts'
import { compose } from './compose.ts'
import { rootInForce } from './current.ts'
import { filesOf } from './renewal/renew.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/**
 * Those that cannot be read any more. Of an adopted repository, which cannot be given a new timestamp, none: it can be adopted
 * again.
 *
 * @param uploads the current documents, byte for byte
 * @throws TrustError STORE_UNAVAILABLE
 */
export function damagedAmong(trust: Trust, gun: Gun, head: Head, uploads: readonly Metadata[]): Metadata[] {
  return signedHere(head) ? uploads.filter((upload) => !isReadable(trust, gun, upload)) : []
}

/** True for what is stored, and not damaged: by its version, and so by its checksum. @throws TrustError STORE_UNAVAILABLE */
export function isReadable({ store }: Trust, gun: Gun, { role, version, checksums }: Metadata): boolean {
  return unlessDamaged(() => store.document(gun, role, { version }))?.sha256 === checksums.sha256
}

/**
 * Write damaged documents once more; a new timestamp goes with them, as with every publish.
 *
 * @param damaged as `damagedAmong` gives them
 * @param now milliseconds since 1970
 * @throws TrustError SIGNING_FAILED, CORRUPT
 */
export async function putBack(
  trust: Trust,
  gun: Gun,
  head: Head,
  now: number,
  damaged: readonly Metadata[],
  actor: Actor,
): Promise<Draft & Pick<Commit, 'documents'>> {
  const uploaded = damaged.find(({ role }) => role === 'root')
  const root = uploaded === undefined ? rootInForce(trust, gun, head) : parseRoot(uploaded)
  const proposal = { root, documents: damaged, files: filesOf(head), makesSnapshot: false }
  const draft = await compose(trust, gun, head, now, proposal)
  // What they would be a difference to may be what is damaged; and what they sign is what they signed before.
  const documents = draft.documents.map((document) => ({ ...document, whole: true }))
  return { kind: 'publish', actor, ...draft, documents, changes: [], roles: [] }
}
