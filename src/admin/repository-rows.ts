import { matches } from '../access/permission.ts'
import { damageIn } from '../errors.ts'
import { THE_REST } from '../store/found-records.ts'
import type { Gun } from '../tuf/gun.ts'
import type { DamagedRepository } from './repository-answers.ts'

/**
 * Returns a row for each repository that a pattern names. Damage hides no other repository: the row then says why it cannot
 * be read, and a last row if the names themselves cannot.
 *
 * @param guns names of repositories
 * @param rowOf returns undefined for one that is gone
 * @param gone aborted when nobody waits any more
 * @throws the reason of `gone`; TrustError STORE_UNAVAILABLE
 */
export async function repositoryRows<Row>(
  guns: AsyncIterable<Gun>,
  pattern: string,
  rowOf: (gun: Gun) => Row | undefined,
  gone?: AbortSignal,
): Promise<(Row | DamagedRepository)[]> {
  const rows: (Row | DamagedRepository)[] = []
  const add = (gun: Gun): void => {
    try {
      const row = rowOf(gun)
      if (row !== undefined) rows.push(row)
    } catch (error) {
      rows.push({ gun, damaged: damageIn(error).message })
    }
  }
  try {
    for await (const gun of guns) if (matches(pattern, gun)) add(gun)
  } catch (error) {
    gone?.throwIfAborted()
    rows.push({ gun: THE_REST, damaged: damageIn(error).message })
  }
  return rows
}
