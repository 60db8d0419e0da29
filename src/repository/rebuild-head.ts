import type { Head, JournalEntry, RoleState } from '../store/store.ts'
import type { FileMeta } from '../tuf/file-meta.ts'
import { parseMetadata } from '../tuf/metadata.ts'
import type { Role } from '../tuf/role.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { stateOf } from './compose.ts'
import { ADOPTION_ORDER, replay, type Replayed } from './replay.ts'

type BytesOf = (role: Role, sha256: string) => Uint8Array | undefined

/**
 * What the head of a repository may be, where its record is damaged: which documents are current is read as a client
 * reads it, from the timestamp on; the rest is in the journal. Whose hash the journal names, that one it is.
 *
 * @param history its journal entries, oldest first
 * @param bytesOf a document's bytes by its checksum
 * @param renewals when it may be due, milliseconds since 1970
 * @throws TrustError if its documents are not those of a repository
 */
export function* proposeHeads(
  history: readonly JournalEntry[],
  bytesOf: BytesOf,
  renewals: readonly number[],
): Generator<Head> {
  const filesOf = (sha256: string): ReadonlySet<string> | undefined => {
    const bytes = bytesOf('snapshot', sha256)
    return bytes && new Set(parseSnapshot(parseMetadata('snapshot', bytes)).keys())
  }
  for (const forgets of [false, true]) {
    const replayed = replay(history, filesOf, forgets)
    const current = currentRoles(replayed, bytesOf)
    if (current === undefined) return
    for (const order of ordersOf(replayed, current)) {
      const roles = Object.fromEntries(Array.from(order, (role) => [role, current.get(role)]))
      for (const renewAt of [...renewals, null]) {
        // Heads of the first versions have no `keysAt` until a key is made.
        for (const keysAt of [replayed.keysAt, undefined]) {
          const { revision, highest } = replayed
          yield { revision, roles: roles as Head['roles'], highest, keysAt, renewAt }
        }
      }
    }
  }
}

/** @returns undefined if one of them cannot be read */
function currentRoles({ timestamp }: Replayed, bytesOf: BytesOf): ReadonlyMap<string, RoleState> | undefined {
  const roles = new Map<string, RoleState>()
  if (timestamp === undefined) return roles
  const read = (role: Role, sha256: string): ReturnType<typeof parseMetadata> | undefined => {
    const bytes = bytesOf(role, sha256)
    const metadata = bytes && parseMetadata(role, bytes)
    if (metadata !== undefined) roles.set(role, stateOf(metadata))
    return metadata
  }
  const newest = read('timestamp', timestamp)
  const snapshot = newest && read('snapshot', hexOf(parseTimestamp(newest)))
  if (snapshot === undefined) return undefined
  // An adopted snapshot may name roles that nobody delegates to any more, and that are not here.
  for (const [role, meta] of parseSnapshot(snapshot)) read(role as Role, hexOf(meta))
  return roles
}

/**
 * As the journal has it; as a repository was adopted again that had nothing new but its timestamp, which looks like a
 * renewal; or one whose delegations had changed.
 */
function ordersOf({ order }: Replayed, current: ReadonlyMap<string, RoleState>): Set<string>[] {
  const inOrder = [...order, ...current.keys()]
  return [inOrder, [...ADOPTION_ORDER, ...inOrder], [...ADOPTION_ORDER, ...current.keys()]].map(
    (roles) => new Set(roles.filter((role) => current.has(role))),
  )
}

function hexOf({ sha256 = '' }: FileMeta): string {
  return Buffer.from(sha256, 'base64').toString('hex')
}
