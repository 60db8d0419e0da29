import { z } from 'zod'
import type { JournalEntry } from '../store/store.ts'
import { time } from './answers.ts'

/** A place where a digest is, or was, signed. */
export const sighting = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      role: z.string(),
      tag: z.string(),
      since: time,
      by: z
        .string()
        .meta({ description: 'who had the digest signed, as the journal names them: user:alice, token:ci' }),
      until: time.nullable().meta({ description: 'when the signature ended; null: the digest is signed now' }),
      damaged: z.string().exactOptional().meta({
        description: 'why the repository cannot be read: then only the journal says that the digest is signed now',
      }),
      unseen: z
        .string()
        .exactOptional()
        .meta({ description: 'why clients do not see the tag, though it is signed now' }),
    })
    .meta({ id: 'Sighting' }),
)
export type Sighting = z.output<typeof sighting>

/** A sighting that no journal entry has ended. */
interface Open {
  readonly sighting: Sighting
  /** Its delegation was dropped, or one above it: by which role's entry, and when; `back` if it was delegated again. */
  dropped?: { readonly role: string; readonly time: string; back: boolean }
}

/** Collects from the journal, entry by entry, where a digest was signed. */
export class Sightings {
  /** Those that have ended. */
  readonly before: Sighting[] = []
  readonly #hex: string
  /** By repository and place. */
  readonly #open = new Map<string, Map<string, Open>>()

  /** @param hex SHA-256 */
  constructor(hex: string) {
    this.#hex = hex
  }

  /** Entries must come in the order of the journal. */
  add({ gun, kind, time: at, actor, changes, roles = [] }: JournalEntry): void {
    const places = this.#open.get(gun) ?? new Map<string, Open>()
    /** @param signed true: the entry says that the digest was signed until then */
    const end = (place: string, signed: boolean): void => {
      const found = places.get(place)
      if (found === undefined) return
      const { sighting, dropped } = found
      // A dropped delegation signs nothing any more, whatever happens to its document later. It may come back with another.
      const until = dropped === undefined || (dropped.back && signed) ? at : dropped.time
      this.before.push({ ...sighting, until })
      places.delete(place)
    }
    for (const { role, threshold } of roles) {
      if (threshold !== null) continue
      for (const each of places.values()) {
        if (isUnder(role, each.sighting) && each.dropped?.back !== false) each.dropped = { role, time: at, back: false }
      }
    }
    for (const { role, tag, from, to } of changes) {
      const place = placeOf(role, tag)
      if (to === this.#hex) {
        if (places.get(place)?.dropped !== undefined) end(place, false)
        const sighting = { gun, role, tag, since: at, by: actor.name, until: null }
        this.#open.set(gun, places.set(place, { sighting }))
      } else end(place, from === this.#hex)
    }
    if (kind === 'delete') for (const place of places.keys()) end(place, false)
    // Delegated again: without a new document, the old one counts again.
    for (const { role, threshold } of roles) {
      if (threshold === null) continue
      for (const { dropped } of places.values()) if (dropped?.role === role) dropped.back = true
    }
  }

  /**
   * Yields, by repository, those that no entry has ended. `until` is when the delegation was dropped, if it was: delegated
   * again, it may sign the digest as before or no more.
   */
  *open(): Generator<[gun: string, sightings: readonly Sighting[]]> {
    for (const [gun, places] of this.#open) {
      yield [gun, [...places.values()].map(({ sighting, dropped }) => ({ ...sighting, until: dropped?.time ?? null }))]
    }
  }
}

/** Identifies a tag of a role. */
export function placeOf(role: string, tag: string): string {
  return JSON.stringify([role, tag])
}

/** True if the signer is this role or a delegation below it. */
export function isUnder(role: string, { role: signer }: Pick<Sighting, 'role'>): boolean {
  return `${signer}/`.startsWith(`${role}/`)
}
