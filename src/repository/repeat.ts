import type { Log } from '../log/log.ts'

/** Work that repeats until it is stopped. */
export interface Repeating {
  /** Stops the work; resolves when no round is running any more. */
  stop(): Promise<void>
}

/**
 * Runs `round` now, and again `interval` milliseconds after the end of each round. Logs failed rounds and goes on. Does not
 * keep the process alive.
 *
 * @param round gets a signal that is aborted when the work is stopped: a long round may end with its reason
 */
export function repeat(
  name: string,
  interval: number,
  log: Log,
  round: (stopping: AbortSignal) => Promise<void>,
): Repeating {
  const stopping = new AbortController()
  const { signal } = stopping
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()

  async function run(): Promise<void> {
    try {
      await round(signal)
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) log.error({ err: error }, `${name} failed`)
    }
    if (!signal.aborted) schedule(interval)
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
      stopping.abort()
      clearTimeout(timer)
      await running
    },
  }
}
