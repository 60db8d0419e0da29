import type { Log } from '../log/log.ts'

/** Work that repeats until it is stopped. */
export interface Repeating {
  /** Stops the work; resolves when no round is running any more. */
  stop(): Promise<void>
}

/**
 * Runs `round` now, and again `interval` milliseconds after the end of each round. Logs failed rounds and goes on. Does not
 * keep the process alive.
 */
export function repeat(name: string, interval: number, log: Log, round: () => Promise<void>): Repeating {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()

  async function run(): Promise<void> {
    try {
      await round()
    } catch (error) {
      log.error({ err: error }, `${name} failed`)
    }
    if (!stopped) schedule(interval)
  }

  function schedule(delay: number): void {
    timer = setTimeout(() => {
      running = run()
    }, delay)
    timer.unref()
  }

  schedule(0)
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
