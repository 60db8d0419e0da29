import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { damageIn } from '../errors.ts'
import { currentRoot } from '../repository/current.ts'
import { signedTags } from '../repository/signed-tags.ts'
import { inTurns } from '../store/in-turns.ts'
import { entriesFrom } from '../store/journal-reader.ts'
import type { JournalEntry, Store } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { list, texts, time } from './answers.ts'
import { digestInput, hexOf } from './inputs.ts'
import { operation, type World } from './operation.ts'

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
      unseen: z.string().exactOptional().meta({ description: 'why clients do not see it, though it is signed now' }),
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
  summary:
    'Where and since when a digest is signed, and where it was; `warnings` names entries of the journal that cannot be read.',
  action: 'admin',
  input: z.strictObject({ digest: digestInput }),
  answer: () =>
    z.object({
      digest: z.string(),
      now: list(sighting),
      before: list(sighting),
      warnings: texts.meta({ description: 'entries of the journal that cannot be read: what they tell is missing' }),
    }),
  async run({ trust }, { digest }) {
    const hex = hexOf(digest)
    const open = new Map<string, Map<string, Open>>()
    const before: Sighting[] = []
    /** That were signed once more, without having been ended: their delegation had been dropped in between. */
    const again: Open[] = []
    const warnings: string[] = []
    for await (const entry of inTurns(entriesFrom(trust.store, 1, 1))) {
      if ('damaged' in entry) {
        warnings.push(`entry ${entry.number} of the journal is damaged: what it tells is missing here`)
        continue
      }
      const { gun, kind, time, actor, changes, number } = entry
      const places = open.get(gun) ?? new Map<string, Open>()
      const end = (place: string): void => {
        const found = places.get(place)
        if (found !== undefined) before.push({ ...found.sighting, until: time })
        places.delete(place)
      }
      if (kind === 'delete') for (const place of places.keys()) end(place)
      for (const { role, tag, from, to } of changes) {
        if (to === hex) {
          const sighting = { gun, role, tag, since: time, by: actor.name, until: null }
          const place = placeOf(role, tag)
          const earlier = places.get(place)
          if (earlier !== undefined) again.push(earlier)
          open.set(gun, places.set(place, { sighting, number }))
        } else if (from === hex) end(placeOf(role, tag))
      }
    }
    for (const sightings of Map.groupBy(again, ({ sighting: { gun, role } }) => placeOf(gun, role)).values()) {
      const { gun = '', role = '' } = sightings[0]?.sighting ?? {}
      // Where that cannot be read it was said above.
      const drops = await dropsOf(trust.store, gun as Gun, role).catch((error: unknown) => (damageIn(error), []))
      for (const { sighting, number } of sightings) {
        const dropped = drops.find((drop) => drop.number > number)
        if (dropped !== undefined) before.push({ ...sighting, until: dropped.time })
      }
    }
    const now: Sighting[] = []
    for (const [gun, places] of open) {
      await setImmediate()
      const found = await lookAt(trust, gun as Gun, hex, [...places.values()])
      // One by one: as arguments of a call so many tags as one repository may have would be too many.
      for (const each of found.now) now.push(each)
      for (const each of found.before) before.push(each)
    }
    return { digest, now, before, warnings }
  },
})

function placeOf(role: string, tag: string): string {
  return JSON.stringify([role, tag])
}

const NO_TAGS: Pick<Awaited<ReturnType<typeof signedTags>>, 'tags' | 'damaged'> = { tags: [], damaged: new Map() }

/** Which of them are signed now: a delegation that was dropped signs nothing any more, without an entry of its own. */
async function lookAt(
  trust: World['trust'],
  gun: Gun,
  hex: string,
  open: readonly Open[],
): Promise<{ now: Sighting[]; before: Sighting[] }> {
  const now: Sighting[] = []
  const before: Sighting[] = []
  const left = new Set(open)
  try {
    const head = trust.store.head(gun)
    const root = currentRoot(trust, gun, head)
    const { tags, damaged } = head && root ? await signedTags(trust, gun, head, root, trust.now()) : NO_TAGS
    const signed = new Map(tags.filter(({ digest }) => digest === hex).map((tag) => [placeOf(tag.role, tag.tag), tag]))
    for (const each of left) {
      const found = signed.get(placeOf(each.sighting.role, each.sighting.tag))
      if (found === undefined) continue
      now.push(found.unseen === undefined ? each.sighting : { ...each.sighting, unseen: found.unseen })
      left.delete(each)
    }
    // What they sign now cannot be read, nor what is delegated below them.
    for (const each of left) {
      const [, error] = [...damaged].find(([role]) => `${each.sighting.role}/`.startsWith(`${role}/`)) ?? []
      if (error === undefined) continue
      now.push({ ...each.sighting, damaged: error.message })
      left.delete(each)
    }
    const drops = new Map<string, readonly Drop[]>()
    for (const each of left) {
      const { sighting, number } = each
      const ofRole = drops.get(sighting.role) ?? (await dropsOf(trust.store, gun, sighting.role))
      drops.set(sighting.role, ofRole)
      before.push({ ...sighting, until: ofRole.find((drop) => drop.number > number)?.time ?? sighting.since })
      left.delete(each)
    }
  } catch (error) {
    const damaged = damageIn(error).message
    for (const { sighting } of left) now.push({ ...sighting, damaged })
  }
  return { now, before }
}

/** A journal entry that dropped a delegation, or one of those above it. */
type Drop = Pick<JournalEntry, 'number' | 'time'>

async function dropsOf(store: Pick<Store, 'journal'>, gun: Gun, role: string): Promise<Drop[]> {
  const drops: Drop[] = []
  for await (const { number, time, roles = [] } of inTurns(store.journal({ gun }))) {
    const isDropped = roles.some(({ role: name, threshold }) => threshold === null && `${role}/`.startsWith(`${name}/`))
    if (isDropped) drops.push({ number, time })
  }
  return drops
}
