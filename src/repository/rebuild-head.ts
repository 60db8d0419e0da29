import type { Head, JournalEntry, RoleState } from '../store/store.ts'
import { parseMetadata } from '../tuf/metadata.ts'
import type { Role } from '../tuf/role.ts'
import { parseSnapshot } from '../tuf/snapshot.ts'
import { parseTimestamp } from '../tuf/timestamp.ts'
import { stateOf } from './compose.ts'
import { ADOPTION_ORDER, replay, type Replayed } from './replay.ts'

type BytesOf = (role: Role, sha256: string) => Uint8Array | undefined

/**
 * Proposes candidates for a repository's head whose record is damaged: reads the current documents as a client does, from
 * the timestamp on, and takes the rest from the journal. The right one has the hash that the journal names.
 *
 * @param history its journal entries, oldest first
 * @param bytesOf returns a document's bytes by its checksum
 * @param renewals times when it may be due, milliseconds since 1970
 * @throws TrustError if its documents do not form a repository
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
        // Heads that early versions wrote have no `keysAt` until a key is made.
        for (const keysAt of [replayed.keysAt, undefined]) {
          const { revision, highest } = replayed
          yield { revision, roles: roles as Head['roles'], highest, keysAt, renewAt }
        }
      }
    }
  }
}

/** Reads the current documents. @returns undefined if timestamp or snapshot cannot be read */
function currentRoles({ timestamp }: Replayed, bytesOf: BytesOf): ReadonlyMap<string, RoleState> | undefined {
  const roles = new Map<string, RoleState>()
  if (timestamp === undefined) return roles
  const read = (role: Role, sha256 = ''): ReturnType<typeof parseMetadata> | undefined => {
    const bytes = bytesOf(role, sha256)
    const metadata = bytes && parseMetadata(role, bytes)
    if (metadata !== undefined) roles.set(role, stateOf(metadata))
    return metadata
  }
  const newest = read('timestamp', timestamp)
  const snapshot = newest && read('snapshot', parseTimestamp(newest).sha256)
  if (snapshot === undefined) return undefined
  // An adopted snapshot may name roles that are no longer delegated, and not stored here.
  for (const [role, { sha256 }] of parseSnapshot(snapshot)) read(role as Role, sha256)
  return roles
}

/**
 * Returns possible orders of the roles: as in the journal; after another adoption that brought only a new timestamp, which
 * the journal shows like a renewal; and after one with changed delegations.
 */
function ordersOf({ order }: Replayed, current: ReadonlyMap<string, RoleState>): Set<string>[] {
  const inOrder = [...order, ...current.keys()]
  return [inOrder, [...ADOPTION_ORDER, ...inOrder], [...ADOPTION_ORDER, ...current.keys()]].map(
    (roles) => new Set(roles.filter((role) => current.has(role))),
  )
}
