import { pino, type DestinationStream } from 'pino'
import type { Log } from './repository/trust.ts'

/** A line waits for at most so long; one write for many lines. Milliseconds, bytes. */
const BUFFERED = { sync: false, periodicFlush: 200, minLength: 8_192 }
/** Characters of one text in a log line; clients choose some of them. */
const TEXT_MAX = 500

/**
 * One JSON object a line on standard output. Secrets never reach it: nothing above hands it a header, a token, a key
 * or a body.
 */
export function createLog(level: string, destination: DestinationStream = pino.destination(BUFFERED)): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: capped },
  }
  return Object.assign(pino(options, destination), { lines: (text: string) => destination.write(text) })
}

function capped(facts: Record<string, unknown>): Record<string, unknown> {
  const long = Object.entries(facts).filter(([, value]) => typeof value === 'string' && value.length > TEXT_MAX)
  if (long.length === 0) return facts
  return { ...facts, ...Object.fromEntries(long.map(([name, value]) => [name, String(value).slice(0, TEXT_MAX)])) }
}
