import { z } from 'zod'
import { matches } from '../access/permission.ts'
import { parsePattern } from '../access/grant.ts'
import { describe } from '../repository/show.ts'
import type { JournalEntry } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { operation } from './operation.ts'

/** Entries that one request looks at; the answer says where the next one goes on. */
const LOOKED_AT_MAX = 2_000
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'write it as in sha256:0123…')

export const auditJournal = operation({
  name: 'audit',
  method: 'GET',
  path: '/audit',
  summary: 'Who did what: journal entries, newest first, or from one on. `next` says where to go on.',
  action: 'admin',
  input: z.strictObject({
    gun: z
      .string()
      .transform((text) => parsePattern(text))
      .optional(),
    actor: z.string().max(200).optional(),
    kind: z.enum(['publish', 'renew', 'key', 'delete', 'record']).optional(),
    digest: digest.optional(),
    since: z.iso.datetime().optional(),
    until: z.iso.datetime().optional(),
    before: z.coerce.number().int().min(1).optional().meta({ description: 'newest first, from before this number' }),
    after: z.coerce.number().int().min(0).optional().meta({ description: 'oldest first, from after this number' }),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  }),
  async run({ store }, { before, after, limit, ...filter }) {
    const query = after === undefined ? { before: before ?? store.tail().number + 1 } : { after }
    const entries: JournalEntry[] = []
    let looked = 0
    for (const entry of store.journal(query)) {
      if (fits(entry, filter)) entries.push(entry)
      looked += 1
      if (entries.length === limit || looked === LOOKED_AT_MAX) return { entries, next: entry.number }
    }
    return { entries, next: null }
  },
})

interface Filter {
  readonly gun?: string | undefined
  readonly actor?: string | undefined
  readonly kind?: string | undefined
  readonly digest?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

function fits(entry: JournalEntry, { gun, actor, kind, digest: wanted, since, until }: Filter): boolean {
  if (gun !== undefined && !(entry.gun !== '' && matches(gun, entry.gun as Gun))) return false
  if (actor !== undefined && entry.actor.name !== actor) return false
  if (kind !== undefined && entry.kind !== kind) return false
  const time = Date.parse(entry.time)
  if (since !== undefined && time < Date.parse(since)) return false
  if (until !== undefined && time > Date.parse(until)) return false
  if (wanted === undefined) return true
  const hex = wanted.slice('sha256:'.length)
  return entry.changes.some(({ from, to }) => from === hex || to === hex)
}

/** Where a digest is signed, or was. */
export interface Sighting {
  readonly gun: string
  readonly role: string
  readonly tag: string
  /** RFC 3339, and who. */
  readonly since: string
  readonly by: string
  /** Null: it is signed now. */
  readonly until: string | null
}

export const findDigest = operation({
  name: 'find',
  method: 'GET',
  path: '/digests/:digest',
  summary: 'Where and since when a digest is signed, and where it was.',
  action: 'admin',
  input: z.strictObject({ digest }),
  async run({ trust, store }, { digest: text }) {
    const hex = text.slice('sha256:'.length)
    const open = new Map<string, Sighting>()
    const over: Sighting[] = []
    const end = (place: string, time: string): void => {
      const sighting = open.get(place)
      if (sighting !== undefined) over.push({ ...sighting, until: time })
      open.delete(place)
    }
    let looked = 0
    for (const { gun, kind, time, actor, changes } of store.journal()) {
      if (kind === 'delete') for (const place of open.keys()) if (open.get(place)?.gun === gun) end(place, time)
      for (const { role, tag, from, to } of changes) {
        const place = JSON.stringify([gun, role, tag])
        if (to === hex) open.set(place, { gun, role, tag, since: time, by: actor.name, until: null })
        else if (from === hex) end(place, time)
      }
      looked += 1
      // Others are served meanwhile.
      if (looked % LOOKED_AT_MAX === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // A delegation that was dropped from its parent signs nothing any more, without an entry of its own.
    const now = [...open.values()].filter(({ gun, role, tag }) =>
      describe(trust, gun as Gun, trust.now())?.tags.some(
        (each) => each.role === role && each.tag === tag && each.digest === hex,
      ),
    )
    return { digest: text, now, before: over }
  },
})
