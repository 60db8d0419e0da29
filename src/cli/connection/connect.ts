import { controlSocket, isAnswered } from '../../control-socket.ts'
import type { Settings } from '../../settings/schema.ts'
import { whenUnlocked } from '../../store/when-unlocked.ts'
import { note } from '../terminal/print.ts'
import type { Connection } from './connection.ts'
import { overSocket } from './over-socket.ts'

/**
 * Speak to the running server if there is one; otherwise open its data directory. Whoever has that open may be a server that
 * does not listen yet, one that makes its keys at its first start, or another command: then it is waited for.
 *
 * @throws TrustError
 */
export async function connect(settings: Settings): Promise<Connection> {
  const path = controlSocket(settings)
  let openHere: (() => Promise<Connection>) | undefined
  const open = async (): Promise<Connection> => {
    if (await isAnswered(path)) return overSocket(path)
    // With the database and all that opens keys: a third of what a command would load, for nothing beside a running server.
    openHere ??= (await import('./open-here.ts')).openerOf(settings)
    return openHere()
  }
  const begins = (): void => note(`waiting for another process to let go of the database in ${settings.dataDirectory}`)
  return whenUnlocked(open, { begins })
}
