import type { Log } from '../log/log.ts'

/** Something that runs again and again until it is stopped. */
export interface Repeating {
  /** Resolves when no round is running any more. */
  stop(): Promise<void>
}

/**
 * Run `round` now and then again `interval` milliseconds after each end. A round that fails is logged and does not end
 * the repetition. Does not keep the process alive.
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
