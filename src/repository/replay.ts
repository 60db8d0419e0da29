import type { JournalEntry } from '../store/store.ts'

/** The roles that every repository has, in the order in which adoption reads them. */
export const ADOPTION_ORDER: readonly string[] = ['timestamp', 'snapshot', 'root', 'targets']

/** What the journal alone tells about a head. */
export interface Replayed {
  readonly revision: number
  /** The revision that last made or changed keys. */
  readonly keysAt: number
  /** In the head's order, since bytes are compared. */
  readonly highest: Readonly<Record<string, number>>
  /** Roles that may be current, in the head's order. */
  readonly order: readonly string[]
  /** Checksum of the current timestamp; undefined before the first publish, and after a delete. */
  readonly timestamp: string | undefined
}

type Documents = JournalEntry['documents']
/** Returns the roles that a snapshot names, by its checksum; undefined if it cannot be read. */
type FilesOf = (snapshot: string) => ReadonlySet<string> | undefined

const NOTHING: Replayed = { revision: 0, keysAt: 0, highest: {}, order: [], timestamp: undefined }

/**
 * Replays the journal entries of one repository, oldest first, into its head: as `compose.ts`, `adoption/adopt.ts` and
 * `remove.ts` have made it.
 *
 * @param forgets true if snapshot versions from before a delete do not count (`adoption/adopt.ts` says when)
 */
export function replay(history: readonly JournalEntry[], filesOf: FilesOf, forgets: boolean): Replayed {
  return history.reduce((before, { revision, keys, kind, documents }): Replayed => {
    const head = { ...before, revision, keysAt: keys.length > 0 ? revision : before.keysAt }
    if (kind === 'delete') return { ...head, order: [], timestamp: undefined }
    if (documents.length === 0) return head
    // The server's own timestamp is the last document of a publish or renewal; an adoption begins with its timestamp.
    const isAdoption = documents.at(-1)?.role !== 'timestamp'
    return {
      ...head,
      highest: nextHighest(head, documents, isAdoption, forgets),
      order: isAdoption ? orderOfAdoption(head.order, documents) : orderOfPublish(head.order, documents, filesOf),
      timestamp: newestOf('timestamp', documents) ?? head.timestamp,
    }
  }, NOTHING)
}

function nextHighest(
  { highest: before, timestamp }: Replayed,
  documents: Documents,
  isAdoption: boolean,
  forgets: boolean,
): Record<string, number> {
  const begins = timestamp === undefined
  const highest = begins ? fromEarlierLife(before, forgets) : { ...before }
  for (const { role, version } of documents) {
    // After a delete a publisher's own snapshot starts at 1 again. Of several adopted roots the newest counts.
    const mayBeLower = role === 'snapshot' && !isAdoption
    highest[role] = mayBeLower ? version : Math.max(version, highest[role] ?? 0)
  }
  return highest
}

/** Returns what still counts after a delete. */
function fromEarlierLife(highest: Replayed['highest'], forgets: boolean): Record<string, number> {
  const kept = Object.entries(highest).filter(([role]) => role === 'timestamp' || (role === 'snapshot' && !forgets))
  return Object.fromEntries(kept)
}

/** The server's own timestamp comes last. A role that a snapshot drops is removed; if it returns, it follows the others. */
function orderOfPublish(before: readonly string[], documents: Documents, filesOf: FilesOf): string[] {
  const snapshot = newestOf('snapshot', documents)
  const files = snapshot === undefined ? undefined : filesOf(snapshot)
  const kept = before.filter((role) => role !== 'timestamp' && (isBase(role) || files?.has(role) !== false))
  return [...new Set([...kept, ...rolesOf(documents)])]
}

/** A first adoption has the order of its documents; later ones add to what is there. */
function orderOfAdoption(before: readonly string[], documents: Documents): string[] {
  const roles = rolesOf(documents)
  if (before.length === 0) return roles
  const delegations = [...new Set([...before, ...roles])].filter((role) => !isBase(role))
  return [...ADOPTION_ORDER, ...delegations]
}

function rolesOf(documents: Documents): string[] {
  return [...new Set(documents.map(({ role }) => role))]
}

/** Returns the checksum of the last document of this role. */
function newestOf(wanted: string, documents: Documents): string | undefined {
  return documents.findLast(({ role }) => role === wanted)?.sha256
}

function isBase(role: string): boolean {
  return ADOPTION_ORDER.includes(role)
}
