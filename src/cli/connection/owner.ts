import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TrustError } from '../../errors.ts'

/**
 * Even to look at a database LevelDB writes files. As root's, they would keep the server of another user from starting.
 *
 * @throws TrustError FORBIDDEN if this is root, and the database in the directory somebody else's
 */
export async function mustBeOwner(directory: string): Promise<void> {
  const owner = await stat(join(directory, 'CURRENT')).catch(() => undefined)
  if (process.getuid?.() !== 0 || owner === undefined || owner.uid === 0) return
  throw new TrustError('FORBIDDEN', `the database in ${directory} belongs to user id ${owner.uid}, not to root`, {
    hint: `run it as that user: sudo -u '#${owner.uid}'; root's files would keep the server from starting`,
  })
}
