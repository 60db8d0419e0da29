import { open } from 'node:fs/promises'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { UNREADABLE } from '../leveldb/table-file.ts'
import { lookAtTables, type Damage } from './damaged-files.ts'

/**
 * Mark what may end the process that reads it, so that LevelDB says that it cannot read that, and all else can be read. Also
 * while the database is open: LevelDB has its tables mapped, and sees it at once. Nothing is lost: what is marked is damaged
 * already, and whoever mends the table takes the mark back (`repair/mended-table.ts`).
 *
 * @returns with a trap only where it could not be marked
 */
export async function disarmed({ text, trap }: Damage): Promise<Damage> {
  if (trap === undefined) return { text }
  const trapped = `${text}, and may end the process that reads it`
  if (trap.marks.length === 0) return { text: trapped, trap }
  try {
    await using file = await open(trap.path, 'r+')
    for (const at of trap.marks) await file.write(Buffer.of(UNREADABLE), 0, 1, at)
    await file.datasync()
    return { text }
  } catch (error) {
    return { text: `${trapped}: it cannot be marked: ${(error as Error).message}`, trap }
  }
}

/**
 * For whoever is about to read all of a database, or to let LevelDB put its tables together.
 *
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE
 */
export async function mustHaveNoTrap(directory: string): Promise<void> {
  for await (const damage of lookAtTables(directory)) {
    const left = damage && (await disarmed(damage))
    if (left?.trap !== undefined) throw new TrustError('CORRUPT', left.text, { hint: REPAIR_HINT })
  }
}
