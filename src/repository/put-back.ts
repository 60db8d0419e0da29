import { unlessDamaged } from '../errors.ts'
import type { Actor, Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { parseRoot } from '../tuf/root.ts'
import type { Draft } from './change.ts'
import { compose } from './compose.ts'
import { rootInForce } from './current.ts'
import { storedWhole } from './damage.ts'
import { filesOf } from './renewal/renew.ts'
import { signedHere } from './signed-here.ts'
import type { Documents, Trust } from './trust.ts'

/**
 * Returns the uploads whose stored copies can no longer be read. None for an adopted repository, whose timestamp the server
 * cannot sign: it can be adopted again.
 *
 * @param uploads byte for byte the current documents
 * @throws TrustError STORE_UNAVAILABLE
 */
export function damagedAmong(trust: Trust, gun: Gun, head: Head, uploads: readonly Metadata[]): Metadata[] {
  return signedHere(head) ? uploads.filter((upload) => !isReadable(trust, gun, upload)) : []
}

/** True if the document is stored and not damaged, both by version and by checksum. @throws TrustError STORE_UNAVAILABLE */
export function isReadable({ store }: Documents, gun: Gun, { role, version, checksums }: Metadata): boolean {
  return unlessDamaged(() => store.document(gun, role, { version }))?.sha256 === checksums.sha256
}

/**
 * Writes damaged documents again, with a new timestamp, as with every publish.
 *
 * @param damaged the result of `damagedAmong`
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
): Promise<Draft> {
  const uploaded = damaged.find(({ role }) => role === 'root')
  const root = uploaded === undefined ? rootInForce(trust, gun, head) : parseRoot(uploaded)
  const proposal = { root, documents: damaged, files: filesOf(head), makesSnapshot: false }
  const draft = await compose(trust, gun, head, now, proposal)
  // Tags and roles do not change.
  return { kind: 'publish', actor, ...draft, documents: storedWhole(draft.documents), changes: [], roles: [] }
}
