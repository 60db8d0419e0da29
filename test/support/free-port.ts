import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * The ports that tests choose: below those that systems give out themselves (on Linux from 32768 on). Of those a process
 * beside this one may get any at any time, for a listener or a connection. Above 10080, the last one that fetch refuses.
 */
const [FIRST, PORTS] = [11_000, 21_000]
/**
 * More than most test files need: so those that run at the same time look in different places, unless a thousand
 * processes and threads were started between them.
 */
const EACH = 16

let looked = process.pid * EACH

/**
 * Returns a port at which nothing listens. Nobody else gets it by chance before it is used, or while a server that listens
 * there is restarted.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (looked++ % PORTS)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port)
  const listens = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (!listens) return false
  server.close()
  await once(server, 'close')
  return true
}
