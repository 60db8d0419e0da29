import type { Gun } from '../tuf/gun.ts'
import { parseKey } from './keyspace.ts'
import type { Records } from './records.ts'
import { Sources } from './sources.ts'

/** What a walk over a damaged database comes by, before anything is asked for by its key. */
export interface Survey {
  readonly sources: Sources
  /** Every key, with whether its record is whole. */
  readonly seen: readonly { readonly key: Buffer; readonly whole: boolean }[]
  /** The highest number of a journal entry that anything tells of. */
  readonly newest: number
  /** When repositories may be due, by the keys of the index; milliseconds since 1970. */
  readonly due: ReadonlyMap<Gun, readonly number[]>
}

/** @param backup what else may be taken from */
export async function survey(damaged: Records, backup: Records | undefined): Promise<Survey> {
  const seen: { key: Buffer; whole: boolean }[] = []
  const due = new Map<Gun, number[]>()
  let newest = 0
  const sources = await Sources.over(damaged, backup, (key, payload) => {
    seen.push({ key, whole: payload !== undefined })
    const { kind, parts = [] } = parseKey(key) ?? {}
    if (kind === 'due') {
      const gun = parts[1] as Gun
      due.set(gun, [...(due.get(gun) ?? []), Number(parts[0])])
    }
    if (payload === undefined) return
    if (kind === 'journal') newest = Math.max(newest, Number(parts[0]))
    // Each commit writes one: it tells of an entry that cannot be read itself.
    if (kind === 'history') newest = Math.max(newest, Number(payload.toString()))
  })
  return { sources, seen, newest, due }
}
