import type { JournalEntry } from '../store/store.ts'

/** The roles that every repository has, in the order in which adoption reads them. */
export const ADOPTION_ORDER: readonly string[] = ['timestamp', 'snapshot', 'root', 'targets']

/** What the journal alone tells about a head. */
export interface Replayed {
  readonly revision: number
  /** The revision that last made or changed keys. */
  readonly keysAt: number
  /** In the head's order, since bytes are compared. */
  readonly highest: Record<string, number>
  /** Roles that may be current, in the head's order. */
  readonly order: readonly string[]
  /** Checksum of the current timestamp; undefined before the first publish, and after a delete. */
  readonly timestamp: string | undefined
}

/**
 * Replays the journal entries of one repository into a head, as `compose.ts`, `adoption/adopt.ts` and `remove.ts` make
 * heads.
 *
 * @param filesOf returns the roles that a snapshot names, by its checksum; undefined if it cannot be read
 * @param forgets true if snapshot versions from before a delete do not count (`adoption/adopt.ts` says when)
 */
export function replay(
  history: readonly JournalEntry[],
  filesOf: (snapshot: string) => ReadonlySet<string> | undefined,
  forgets: boolean,
): Replayed {
  let [revision, keysAt] = [0, 0]
  let highest: Record<string, number> = {}
  let order: string[] = []
  let timestamp: string | undefined
  for (const entry of history) {
    revision = entry.revision
    if (entry.keys.length > 0) keysAt = revision
    if (entry.kind === 'delete') {
      order = []
      timestamp = undefined
    }
    if (entry.documents.length === 0) continue
    if (timestamp === undefined) highest = fromEarlierLife(highest, forgets)
    const signedHere = entry.documents.at(-1)?.role === 'timestamp'
    for (const { role, version } of entry.documents) {
      // After a delete a publisher's own snapshot starts at 1 again. Of several adopted roots the newest counts.
      const anew = signedHere && role === 'snapshot'
      highest[role] = anew ? version : Math.max(version, highest[role] ?? 0)
    }
    const shaOf = (wanted: string): string | undefined =>
      entry.documents.findLast(({ role }) => role === wanted)?.sha256
    const snapshot = shaOf('snapshot')
    const roles = [...new Set(entry.documents.map(({ role }) => role))]
    const files = snapshot === undefined ? undefined : filesOf(snapshot)
    order = signedHere ? orderOfPublish(order, roles, files) : orderOfAdoption(order, roles)
    timestamp = shaOf('timestamp') ?? timestamp
  }
  return { revision, keysAt, highest, order, timestamp }
}

function fromEarlierLife(highest: Record<string, number>, forgets: boolean): Record<string, number> {
  const kept = Object.entries(highest).filter(([role]) => role === 'timestamp' || (role === 'snapshot' && !forgets))
  return Object.fromEntries(kept)
}

/** The server's own timestamp comes last. A role that a snapshot drops is removed; if it returns, it follows the others. */
function orderOfPublish(before: readonly string[], roles: readonly string[], files?: ReadonlySet<string>): string[] {
  const kept = before.filter((role) => role !== 'timestamp' && (isBase(role) || files?.has(role) !== false))
  return [...new Set([...kept, ...roles])]
}

function orderOfAdoption(before: readonly string[], roles: readonly string[]): string[] {
  if (before.length === 0) return [...roles]
  return [...ADOPTION_ORDER, ...[...new Set([...before, ...roles])].filter((role) => !isBase(role))]
}

function isBase(role: string): boolean {
  return ADOPTION_ORDER.includes(role)
}
