import { pino, type DestinationStream } from 'pino'
import type { Log } from './repository/trust.ts'

/** Characters of one text in a log line; clients choose some of them. */
const TEXT_MAX = 500

/**
 * One JSON object a line on standard output. Secrets never reach it: nothing above hands it a header, a token, a key
 * or a body.
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: capped },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

function capped(facts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, TEXT_MAX) : value]),
  )
}
