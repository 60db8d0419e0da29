import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { CountedMetrics } from '../http/overview.ts'
import type { TlsMaterial } from '../http/server.ts'
import type { Settings } from '../settings/schema.ts'
import type { OtherHandles } from '../store/commit/reopen.ts'
import { Channel } from './channel.ts'
import type { MainAnswers, ThreadAnswers, ThreadStart } from './messages.ts'

const PROGRAM = new URL('./thread.ts', import.meta.url)
/** As `scripts/countersign` sets it for the main thread: three semi-spaces of 8 MB. */
export const HEAP_LIMITS = { maxYoungGenerationSizeMb: 24 } as const
/** Most threads to start by default, including the main one. */
const DEFAULT_MAX = 4

/**
 * Returns how many threads answer requests, including the main one. Leaves one core to the database's own threads: if
 * every core runs a busy thread, each request costs more.
 */
export function threadsOf({ threads, admin }: Settings): number {
  // On other systems, threads cannot share a port, or connections are not spread over them.
  if (process.platform !== 'linux' || admin.public !== undefined) return 1
  return threads ?? Math.max(1, Math.min(availableParallelism() - 1, DEFAULT_MAX))
}

interface Thread {
  readonly worker: Worker
  readonly channel: Channel<ThreadAnswers>
}

/** The threads beside the main one. If one ends, so does the whole process: a server never runs in part. */
export class Threads {
  #threads: readonly Thread[] = []
  #stopping = false
  readonly #stopped = Promise.withResolvers<[]>()

  /** Resolves when all of them listen. @throws whatever a start throws */
  async start(count: number, start: ThreadStart, answers: MainAnswers): Promise<void> {
    this.#threads = Array.from({ length: count }, () => {
      const worker = new Worker(PROGRAM, { workerData: start, resourceLimits: HEAP_LIMITS })
      worker.on('error', (error) => {
        throw error
      })
      worker.on('exit', (code) => {
        if (!this.#stopping) throw new Error(`a thread ended with ${code}`)
      })
      return { worker, channel: new Channel<ThreadAnswers>(worker, answers) }
    })
    await this.#ask('started', [])
  }

  /** Lets the database be closed after a failed write. Threads that have ended answer no questions, and hold nothing. */
  get handles(): OtherHandles {
    const ended = this.#stopped.promise
    return {
      close: async () => void (await Promise.race([this.#ask('release', []), ended])),
      open: async () => void (await Promise.race([this.#ask('regain', []), ended])),
    }
  }

  counted(): Promise<CountedMetrics[]> {
    return this.#ask('counted', [])
  }

  async useTls(tls: TlsMaterial | undefined): Promise<void> {
    await this.#ask('useTls', [tls])
  }

  async useTokenKeys(bytes: Uint8Array): Promise<void> {
    await this.#ask('useTokenKeys', [bytes])
  }

  async stop(): Promise<void> {
    await this.#ask('stop', [])
    this.#stopping = true
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
    this.#threads = []
    this.#stopped.resolve([])
  }

  #ask<Name extends keyof ThreadAnswers>(
    name: Name,
    given: Parameters<ThreadAnswers[Name]>,
  ): Promise<Awaited<ReturnType<ThreadAnswers[Name]>>[]> {
    return Promise.all(this.#threads.map(({ channel }) => channel.ask(name, given)))
  }
}
