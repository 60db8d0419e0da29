import { z } from 'zod'
import { damageIn } from '../errors.ts'
import { describe } from '../repository/show.ts'
import { inTurns } from '../store/journal-reader.ts'
import type { Store } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { parseMetadata } from '../tuf/metadata.ts'
import { isDelegation, parentOf, type DelegationRole, type Role } from '../tuf/role.ts'
import { parseTargets } from '../tuf/targets.ts'
import { list, time } from './answers.ts'
import { digestInput, hexOf, operation } from './operation.ts'

/** Where a digest is signed, or was. */
const sighting = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      role: z.string(),
      tag: z.string(),
      since: time,
      by: z.string().meta({ description: 'who had it signed, as the journal names them: user:alice, token:ci' }),
      until: time.nullable().meta({ description: 'null: it is signed now' }),
      damaged: z.string().exactOptional().meta({
        description: 'why the repository cannot be read: then the journal alone says that it is signed now',
      }),
    })
    .meta({ id: 'Sighting' }),
)
export type Sighting = z.output<typeof sighting>

/** One that no journal entry has ended, with the number of the entry that began it. */
interface Open {
  readonly sighting: Sighting
  readonly number: number
}

export const findDigest = operation({
  name: 'find',
  method: 'GET',
  path: '/digests/:digest',
  summary: 'Where and since when a digest is signed, and where it was.',
  action: 'admin',
  input: z.strictObject({ digest: digestInput }),
  answer: () => z.object({ digest: z.string(), now: list(sighting), before: list(sighting) }),
  async run({ trust, store }, { digest }) {
    const hex = hexOf(digest)
    const open = new Map<string, Open>()
    const before: Sighting[] = []
    const end = (place: string, until: string): void => {
      const found = open.get(place)
      if (found !== undefined) before.push({ ...found.sighting, until })
      open.delete(place)
    }
    for await (const { gun, kind, time, actor, changes, number } of inTurns(store.journal())) {
      if (kind === 'delete') for (const [place, { sighting }] of open) if (sighting.gun === gun) end(place, time)
      for (const { role, tag, from, to } of changes) {
        const place = JSON.stringify([gun, role, tag])
        if (to === hex) {
          open.set(place, { sighting: { gun, role, tag, since: time, by: actor.name, until: null }, number })
        } else if (from === hex) end(place, time)
      }
    }
    // A delegation that was dropped signs nothing any more, without an entry of its own.
    for (const [place, { sighting, number }] of open) {
      const { gun, role, tag } = sighting
      try {
        const tags = describe(trust, gun as Gun, trust.now())?.tags ?? []
        if (tags.some((each) => each.role === role && each.tag === tag && each.digest === hex)) continue
        end(place, droppedAt(store, gun as Gun, role as Role, number) ?? sighting.since)
      } catch (error) {
        open.set(place, { sighting: { ...sighting, damaged: damageIn(error).message }, number })
      }
    }
    return { digest, now: [...open.values()].map(({ sighting }) => sighting), before }
  },
})

/**
 * When a delegation was dropped, or one of those above it.
 *
 * @param after number of a journal entry at which it was there
 * @returns RFC 3339
 */
function droppedAt(
  store: Pick<Store, 'journal' | 'document'>,
  gun: Gun,
  role: Role,
  after: number,
): string | undefined {
  const childOf = new Map<string, DelegationRole>()
  for (let child = role; isDelegation(child); child = parentOf(child)) childOf.set(parentOf(child), child)
  for (const { time, documents } of store.journal({ gun, after })) {
    for (const { role: name, sha256 } of documents) {
      const child = childOf.get(name)
      const parent = name as Role
      const document = child && store.document(gun, parent, { sha256 })
      if (child === undefined || document === undefined) continue
      if (!parseTargets(parseMetadata(parent, document.bytes)).delegations.has(child)) return time
    }
  }
  return undefined
}
