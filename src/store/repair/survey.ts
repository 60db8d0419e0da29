import type { Gun } from '../../tuf/gun.ts'
import type { Records } from '../database/records.ts'
import { decodeNumber } from '../journal.ts'
import { parseKey } from '../keyspace.ts'
import { Sources } from './sources.ts'

/** What a walk over a damaged database finds, before any record is read by its key. */
export interface Survey {
  readonly sources: Sources
  /** The highest number of a journal entry for which there is any evidence. */
  readonly newest: number
  /** The repository of journal entries, by number, from the history record that each commit writes. */
  readonly owners: ReadonlyMap<number, Gun>
  /** The newest revision of each repository, from the same records. */
  readonly revisions: ReadonlyMap<Gun, number>
  /** Times when repositories may be due, from the keys of the index; milliseconds since 1970. */
  readonly due: ReadonlyMap<Gun, readonly number[]>
}

/**
 * Walks a damaged database.
 *
 * @param backup a further source of records
 * @param gone aborts when nobody waits for the repair any more
 * @throws the reason of an abort
 */
export async function survey(damaged: Records, backup: Records | undefined, gone: AbortSignal): Promise<Survey> {
  const owners = new Map<number, Gun>()
  const revisions = new Map<Gun, number>()
  const due = new Map<Gun, number[]>()
  let newest = 0
  const sources = await Sources.over(damaged, backup, (key, payload) => {
    gone.throwIfAborted()
    const { kind, parts = [] } = parseKey(key) ?? {}
    if (kind === 'due') {
      const gun = parts[1] as Gun
      due.set(gun, [...(due.get(gun) ?? []), Number(parts[0])])
    }
    if (payload === undefined) return
    if (kind === 'journal') newest = Math.max(newest, Number(parts[0]))
    if (kind !== 'history') return
    const [gun, number] = [parts[0] as Gun, decodeNumber(payload)]
    newest = Math.max(newest, number)
    owners.set(number, gun)
    revisions.set(gun, Math.max(revisions.get(gun) ?? 0, Number(parts[1])))
  })
  return { sources, newest, owners, revisions, due }
}
