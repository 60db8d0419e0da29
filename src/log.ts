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
    timestamp,
    formatters: { level: (label: string) => ({ level: label }), log: capped },
  }
  return Object.assign(pino(options, destination), { lines: (text: string) => destination.write(text) })
}

let output: BufferedLines | undefined

/**
 * Many lines in one write. pino's own buffer counts the bytes of each line, which takes as long as to make it: pino
 * only writes.
 *
 * Lines that cannot be written, on a full disk say, are lost: the server goes on without them, and tries again with
 * those that come later. To end, it does not wait for room: pino would, for ever.
 */
function standardOutput(): BufferedLines {
  if (output !== undefined) return output
  let pipe: ReturnType<typeof pino.destination> | undefined
  let refused = false
  const opened = (): NonNullable<typeof pipe> => {
    const made = pino.destination({ sync: false })
    made.on('error', () => {
      refused = true
      if (pipe === made) pipe = undefined
      made.destroy()
    })
    made.on('write', () => {
      refused = false
    })
    return made
  }
  let ending = false
  const lines = bufferedLines((text) => {
    if (ending && refused) return
    pipe ??= opened()
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

let newest = { ms: 0, text: '' }

/** Of many lines in one millisecond it is written once. */
function timestamp(): string {
  const ms = Date.now()
  if (ms !== newest.ms) newest = { ms, text: `,"time":"${new Date(ms).toISOString()}"` }
  return newest.text
}

function capped(facts: Record<string, unknown>): Record<string, unknown> {
  if (!Object.values(facts).some(isLong)) return facts
  const cap = (value: unknown): unknown => (isLong(value) ? value.slice(0, TEXT_MAX) : value)
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, cap(value)]))
}

function isLong(value: unknown): value is string {
  return typeof value === 'string' && value.length > TEXT_MAX
}
