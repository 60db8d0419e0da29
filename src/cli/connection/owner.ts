import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'

/**
 * Throws for root on somebody else's database: LevelDB writes files even to read one, and root's files would keep
 * another user's server from starting.
 *
 * @throws TrustError FORBIDDEN
 */
export async function mustBeOwner(directory: string): Promise<void> {
  const owner = await stat(join(directory, 'CURRENT')).catch(() => undefined)
  if (process.getuid?.() !== 0 || owner === undefined || owner.uid === 0) return
  throw new TrustError('FORBIDDEN', `the database in ${directory} belongs to user id ${owner.uid}, not to root`, {
    hint: `run it as that user: sudo -u '#${owner.uid}'; root's files would keep the server from starting`,
  })
}
