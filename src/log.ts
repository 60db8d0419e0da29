import { pino, type DestinationStream } from 'pino'
import type { Log } from './repository/trust.ts'
import { bufferedLines, type BufferedLines } from './log-lines.ts'

/** Characters of one text in a log line; clients choose some of them. */
const TEXT_MAX = 500

/**
 * One JSON object a line on standard output. Secrets never reach it: nothing above hands it a header, a token, a key
 * or a body.
 */
export function createLog(level: string, destination: DestinationStream = standardOutput()): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: capped },
  }
  return Object.assign(pino(options, destination), { lines: (text: string) => destination.write(text) })
}

let output: BufferedLines | undefined

/**
 * Many lines in one write. pino's own buffer counts the bytes of each line, which takes as long as to make it; it is left the
 * writing.
 */
function standardOutput(): BufferedLines {
  if (output !== undefined) return output
  const pipe = pino.destination({ sync: false })
  let ending = false
  const lines = bufferedLines((text) => {
    pipe.write(text)
    if (ending) pipe.flushSync()
  })
  // However the process ends: what a fault left behind is what one wants to read.
  process.once('exit', () => {
    ending = true
    lines.flush()
  })
  return (output = lines)
}

function capped(facts: Record<string, unknown>): Record<string, unknown> {
  const long = Object.entries(facts).filter(([, value]) => typeof value === 'string' && value.length > TEXT_MAX)
  if (long.length === 0) return facts
  return { ...facts, ...Object.fromEntries(long.map(([name, value]) => [name, String(value).slice(0, TEXT_MAX)])) }
}
