import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askOnce, getRequest, type Target } from './connection.ts'

export const CONTENDERS = ['countersign', 'memory', 'postgres', 'bare', 'other'] as const
export type ContenderName = (typeof CONTENDERS)[number]

export const TITLES: Readonly<Record<ContenderName, string>> = {
  countersign: 'Countersign',
  memory: 'Go memory',
  postgres: 'Go PostgreSQL',
  bare: 'bare Node',
  other: 'other checkout',
}

/** A server under test, with all processes that it needs. */
export interface Contender extends Target {
  readonly name: ContenderName
  /** Its root processes; their children are measured with them. */
  readonly pids: readonly number[]
  /** False once it has died; servers do under load. */
  readonly alive: boolean
  /**
   * Milliseconds from the latest start of its process to its first response; excludes the fork, which copies the load
   * generator.
   */
  readonly startedIn: number
  /** Size of its database on disk; undefined: it has none. */
  diskBytes(): number | undefined
  /** Starts it again after a death, with the data that is left. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/**
 * Creates a contender from a process that can be started again.
 *
 * @param fixed properties that stay the same
 * @param begin starts the process
 * @param cleanUp called once it has ended
 * @param others root processes beside it, which stay
 */
export async function contenderOver<Fixed extends Pick<Contender, 'name' | 'port' | 'tokens' | 'diskBytes'>>(
  fixed: Fixed,
  begin: () => ChildProcess,
  cleanUp: () => Promise<void>,
  others: readonly number[] = [],
): Promise<Fixed & Contender> {
  const launch = async (): Promise<{ child: ChildProcess; startedIn: number }> => {
    const child = begin()
    const begun = performance.now()
    await answering(child, fixed)
    return { child, startedIn: performance.now() - begun }
  }
  let running = await launch()
  return {
    ...fixed,
    get startedIn() {
      return running.startedIn
    },
    get pids() {
      return [running.child.pid ?? 0, ...others]
    },
    get alive() {
      return running.child.exitCode === null && running.child.signalCode === null
    },
    async restart() {
      await end(running.child)
      running = await launch()
    },
    async stop() {
      await end(running.child)
      await cleanUp()
    },
  }
}

export async function workDirectory(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `countersign-bench-${name}-`))
}

/** Returns a free port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Waits for the server. @throws Error if it ends, or does not answer GET /v2/ within half a minute */
async function answering(child: ChildProcess, target: Target): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(5)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`)
    try {
      const { status } = await askOnce(target, getRequest('/v2/'))
      if (status === (target.tokens === undefined ? 200 : 401)) return
    } catch {
      // Not yet.
    }
  }
  throw new Error(`${child.spawnfile} does not answer`)
}

export function start(command: string, args: readonly string[], options: object = {}): ChildProcess {
  return spawn(command, args, { stdio: 'ignore', ...options })
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

export async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}
