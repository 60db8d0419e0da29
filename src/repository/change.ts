import { TrustError } from '../errors.ts'
import type { Actor, Commit, Head, StoredRecord } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { limitRoles } from './limit-roles.ts'
import type { Trust } from './trust.ts'

/**
 * What a change writes, computed from the head that it read. Missing members default to the same head, and no documents or
 * keys.
 */
export type Draft = Pick<Commit, 'kind' | 'actor' | 'permittedAt' | 'records' | 'changes' | 'roles'> &
  Partial<Pick<Commit, 'head' | 'documents' | 'keys'>>

/** The actor of changes that nobody asked for. */
export const SERVER_ACTOR: Actor = { name: 'server' }

/** The head of a repository of which nothing is stored yet. */
const NOTHING: Commit['head'] = { roles: {}, highest: {}, renewAt: null }

/** How often a change is computed before it gives up because other writers are always faster. */
const ATTEMPTS = 8

/**
 * The only way to change anything: reads the head, computes the change, and commits with compare-and-set; starts again if
 * somebody else committed in between.
 *
 * @param compute returns what to write, or undefined if there is nothing to change; and a result for the caller
 * @returns the result of the last `compute`
 * @throws TrustError BUSY; CONFLICT after many attempts; INVALID_UPDATE for too many roles; anything `compute` and the
 *   store throw
 */
export async function changeWithResult<Result>(
  trust: Trust,
  gun: Gun,
  compute: (head: Head | undefined, now: number) => Promise<readonly [draft: Draft | undefined, result: Result]>,
): Promise<Result> {
  return trust.turns.take(gun, async () => {
    for (let attempt = 1; ; attempt += 1) {
      const head = trust.store.head(gun)
      const now = trust.now()
      const [draft, result] = await compute(head, now)
      if (draft === undefined) return result
      if (draft.head !== undefined) limitRoles(head, draft.head)
      try {
        const { roles, highest, renewAt } = head ?? NOTHING
        const same = { head: { roles, highest, renewAt }, documents: [], keys: [] }
        await trust.store.commit({ ...same, ...draft, gun, expected: head?.revision ?? 0, time: now })
        return result
      } catch (error) {
        if (!(error instanceof TrustError && error.code === 'CONFLICT') || attempt === ATTEMPTS) throw error
      }
    }
  })
}

/** As `changeWithResult`, without a result of `compute`. @returns false if nothing was changed @throws as that does */
export async function change(
  trust: Trust,
  gun: Gun,
  compute: (head: Head | undefined, now: number) => Promise<Draft | undefined>,
): Promise<boolean> {
  return changeWithResult(trust, gun, async (head, now) => {
    const draft = await compute(head, now)
    return [draft, draft !== undefined]
  })
}

/**
 * Writes records that belong to no repository.
 *
 * @param compute gets the time, milliseconds since 1970, and returns what to write, and a result for the caller
 * @returns the result of the last `compute`
 * @throws as `changeWithResult` does
 */
export async function changeRecords<Result>(
  trust: Trust,
  actor: Actor,
  compute: (now: number) => Promise<readonly [records: readonly StoredRecord[], result: Result]>,
): Promise<Result> {
  return changeWithResult(trust, SERVER, async (_, now) => {
    const [records, result] = await compute(now)
    return [{ kind: 'record', actor, records }, result]
  })
}
