import { openSync, closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { answering, end, freePort, remove, start, workDirectory, type Contender } from './contender.ts'

const COMMAND = join(import.meta.dirname, '..', 'countersign')

export interface CountersignOptions {
  /** Use this directory, with what is in it, and leave it behind. */
  readonly directory?: string
  /** For the server's Node: `--cpu-prof` say. */
  readonly nodeOptions?: string
}

/** Countersign as a user starts it, with a directory of its own; the log goes to a file. */
export async function startCountersign(options: CountersignOptions = {}): Promise<Contender> {
  const directory = options.directory ?? (await workDirectory('countersign'))
  const port = await freePort()
  const env = {
    ...process.env,
    COUNTERSIGN_DATA_DIRECTORY: join(directory, 'data'),
    COUNTERSIGN_KEYS_DIRECTORY: join(directory, 'keys'),
    COUNTERSIGN_LISTEN_PORT: String(port),
    ...(options.nodeOptions === undefined ? {} : { NODE_OPTIONS: options.nodeOptions }),
  }
  const launch = async () => {
    const log = openSync(join(directory, 'log'), 'a')
    const child = start(COMMAND, ['serve', '--quiet'], { env, cwd: directory, stdio: ['ignore', log, log] })
    closeSync(log)
    const ca = await madeCertificate(join(directory, 'keys', 'tls', 'ca.crt'), () => child.exitCode === null)
    await answering(child, { port, ca })
    return { child, ca }
  }
  let { child, ca } = await launch()
  return {
    name: 'countersign',
    port,
    ca,
    database: join(directory, 'data'),
    get pids() {
      return [child.pid ?? 0]
    },
    get alive() {
      return child.exitCode === null && child.signalCode === null
    },
    async restart() {
      await end(child)
      ;({ child } = await launch())
    },
    async stop() {
      await end(child)
      if (options.directory === undefined) await remove(directory)
    },
  }
}

/** A first start makes it. */
async function madeCertificate(file: string, runs: () => boolean): Promise<string> {
  for (; ; await sleep(5)) {
    try {
      const text = await readFile(file, 'utf8')
      if (text.endsWith('-----END CERTIFICATE-----\n')) return text
    } catch {
      if (!runs()) throw new Error('countersign does not start')
    }
  }
}
