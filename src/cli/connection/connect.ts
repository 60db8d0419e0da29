import { controlSocket, isServerListening } from '../../control-socket.ts'
import type { Settings } from '../../settings/schema.ts'
import { whenUnlocked } from '../../store/when-unlocked.ts'
import { note } from '../terminal/print.ts'
import type { Connection } from './connection.ts'
import { overSocket } from './over-socket.ts'

/**
 * Connects to the running server if there is one; otherwise opens its data directory. If another process has it open (a
 * server that does not listen yet or makes its keys at its first start, or another command), waits for it.
 *
 * @throws TrustError
 */
export async function connect(settings: Settings): Promise<Connection> {
  const path = controlSocket(settings)
  let openHere: (() => Promise<Connection>) | undefined
  const open = async (): Promise<Connection> => {
    if (await isServerListening(path)) return overSocket(path)
    // This loads the database and everything that opens keys: a third of a command's code, needed only without a
    // running server.
    openHere ??= (await import('./open-here.ts')).openerOf(settings)
    return openHere()
  }
  const onWait = (): void => note(`waiting for another process to let go of the database in ${settings.dataDirectory}`)
  return whenUnlocked(open, { onWait })
}
