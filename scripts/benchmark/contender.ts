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

/** A server that is measured, with all processes that it needs. */
export interface Contender extends Target {
  readonly name: ContenderName
  /** Its roots: children are counted with them. */
  readonly pids: readonly number[]
  /** Whether it still runs; servers die under load. */
  readonly alive: boolean
  /** Milliseconds from the latest start of the process to its first answer; without the fork, which copies the load. */
  readonly startedIn: number
  /** What its database takes on the disk; undefined: it has none. */
  diskBytes(): number | undefined
  /** Start again after a death, with what is left of its data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/**
 * A contender over a process that can be started again.
 *
 * @param fixed what stays the same
 * @param begin starts the process
 * @param cleanUp done once it has ended
 * @param others roots beside it, which stay
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

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** @throws Error if it ends, or has not answered GET /v2/ after half a minute */
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
