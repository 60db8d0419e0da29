import { open } from 'node:fs/promises'
import { TrustError } from '../../errors.ts'
import { REPAIR_HINT } from '../hints.ts'
import { UNREADABLE } from '../leveldb/table-file.ts'
import { checkTables, type Damage } from './damaged-files.ts'

/**
 * Marks damaged blocks that may end the process that reads them: LevelDB then reports an error for them, and can read
 * everything else. Works while the database is open, since LevelDB maps its tables and sees the mark at once. Nothing is
 * lost: the block is damaged already, and repair takes the mark back when it mends the table (`repair/mended-table.ts`).
 *
 * @returns the damage, with a trap only if it could not be marked
 */
export async function disarm({ text, trap }: Damage): Promise<Damage> {
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
 * Marks all traps, and throws if one is left. Call it before reading a whole database or letting LevelDB compact it.
 *
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE
 */
export async function mustHaveNoTrap(directory: string): Promise<void> {
  for await (const damage of checkTables(directory)) {
    const left = damage && (await disarm(damage))
    if (left?.trap !== undefined) throw new TrustError('CORRUPT', left.text, { hint: REPAIR_HINT })
  }
}
