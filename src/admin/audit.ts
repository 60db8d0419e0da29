import { z } from 'zod'
import { matches } from '../access/permission.ts'
import { unlessDamaged } from '../errors.ts'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { entriesFrom, type DamagedEntry } from '../store/journal-reader.ts'
import type { JournalEntry, Store } from '../store/store.ts'
import { withoutBlocking } from '../store/without-blocking.ts'
import type { Gun } from '../tuf/gun.ts'
import { list } from './answers.ts'
import { digestInput, hexOf, patternInput } from './inputs.ts'
import { damagedEntry, entryKind, journalEntry } from './journal-answers.ts'
import { operation } from './operation.ts'

/** Most entries that one request examines; the response says where the next one continues. */
const LOOKED_AT_MAX = 2_000
/** Most changes of tags in a response; it ends there too, since one entry may have ten thousand. */
const CHANGES_MAX = 50_000
/** Most entries in a response. */
export const ENTRIES_MAX = 1_000
/** Characters of an actor, prefix included; an external token service chooses its users' names. */
const ACTOR_MAX_LENGTH = 600
/** Actors as the journal writes them: a bare name would match nothing, and suggest that nothing was done. */
const ACTOR = /^(?:anonymous|local|server|(?:user|token|certificate|external):.+)$/

/** A key id, or its beginning: lists show twelve digits. */
const KEY = /^[0-9a-f]{8,64}$/

const time = z.iso.datetime('must look like 2026-11-24T00:00:00Z')

export const auditJournal = operation({
  name: 'audit',
  method: 'GET',
  path: '/audit',
  summary:
    'Journal entries (who did what), newest first, or oldest first from a given one. `damaged` says why an entry cannot be read; `next` says where to continue.',
  action: 'admin',
  input: z.strictObject({
    gun: patternInput.optional(),
    actor: z.string().max(ACTOR_MAX_LENGTH).regex(ACTOR, 'must look like user:alice, token:ci, local').optional(),
    kind: entryKind.optional(),
    digest: digestInput.optional(),
    key: z.string().regex(KEY, 'must be 8 to 64 hex digits of the key id').optional(),
    since: time.optional(),
    until: time.optional(),
    before: z.coerce.number().int().min(1).optional().meta({
      description: 'only entries before this number, newest first; with `after`, oldest first',
    }),
    after: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'only entries after this number, oldest first' }),
    limit: z.coerce.number().int().min(1).max(ENTRIES_MAX).default(100),
  }),
  answer: () =>
    z.object({
      entries: list(z.union([journalEntry, damagedEntry])),
      next: z
        .int()
        .nullable()
        .meta({ description: 'where to continue, as `before` or `after`; null: there is no more' }),
    }),
  async run({ trust: { store } }, { before, after, limit, ...filter }) {
    mustBeKnown(store, filter.gun)
    const step = after === undefined ? -1 : 1
    const first = step + (after ?? Math.min(before ?? Infinity, store.tail().number + 1))
    const entries: (JournalEntry | DamagedEntry)[] = []
    let looked = 0
    let changes = 0
    for await (const entry of withoutBlocking(entriesFrom(store, first, step))) {
      if (before !== undefined && entry.number >= before) break
      looked += 1
      // Nobody can say whether a damaged entry matches.
      const isDamaged = 'damaged' in entry
      if (isDamaged || fits(entry, filter)) {
        entries.push(entry)
        changes += isDamaged ? 0 : entry.changes.length
      }
      const isFull = looked === LOOKED_AT_MAX || entries.length === limit || changes >= CHANGES_MAX
      if (isFull) return { entries, next: entry.number }
    }
    return { entries, next: null }
  },
})

/**
 * A name that is mistyped would match nothing, and suggest that nothing was done. A repository that was deleted is known.
 *
 * @throws TrustError NOT_FOUND
 */
function mustBeKnown(store: Store, pattern: string | undefined): void {
  if (pattern === undefined || pattern.endsWith('*')) return
  const isUnknown = unlessDamaged(() => store.head(pattern as Gun) === undefined)
  if (isUnknown === true) noSuchRepository(pattern)
}

interface Filter {
  readonly gun?: string | undefined
  readonly actor?: string | undefined
  readonly kind?: string | undefined
  readonly digest?: string | undefined
  readonly key?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

function fits(entry: JournalEntry, { gun, actor, kind, digest, key, since, until }: Filter): boolean {
  if (gun !== undefined && !(entry.gun !== '' && matches(gun, entry.gun as Gun))) return false
  if (actor !== undefined && entry.actor.name !== actor) return false
  if (kind !== undefined && entry.kind !== kind) return false
  const time = Date.parse(entry.time)
  if (since !== undefined && time < Date.parse(since)) return false
  if (until !== undefined && time > Date.parse(until)) return false
  if (key !== undefined && !keyIdsIn(entry).some((keyId) => keyId.startsWith(key))) return false
  if (digest === undefined) return true
  const hex = hexOf(digest)
  return entry.changes.some(({ from, to }) => from === hex || to === hex)
}

/** Returns the keys that signed, were made or imported, and that gained or lost a role. */
function keyIdsIn({ documents, keys, roles = [] }: JournalEntry): string[] {
  return [
    ...documents.flatMap(({ keyIds }) => keyIds),
    ...keys.map(({ keyId }) => keyId),
    ...roles.flatMap(({ added, removed, certified = [] }) => [added, removed, certified.map(({ key }) => key)].flat()),
  ]
}
