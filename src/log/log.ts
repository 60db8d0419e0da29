import { fstatSync } from 'node:fs'
import { pino, type DestinationStream } from 'pino'
import { forTerminals } from './for-terminals.ts'
import { bufferedLines, type BufferedLines } from './lines.ts'

/** A line of the log: facts as fields, never a secret. pino fits it. */
export interface Log {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
  /** Write what waits to be written. */
  flush?(): void
  /** Write lines that another thread has made. */
  lines?(text: string): void
}

/** Characters of one text in a log line; clients choose some of them. */
const TEXT_MAX = 500
/** Bytes that wait for a reader of the log who reads no more; what comes then is lost. */
const UNREAD_MAX = 16 * 1024 * 1024

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

/** Many lines in one write. pino's own buffer counts the bytes of each line, which takes as long as to make it. */
function standardOutput(): BufferedLines {
  if (output !== undefined) return output
  let ending = false
  const stats = fstatSync(process.stdout.fd)
  const write = stats.isFIFO() || stats.isSocket() ? toReader() : toFile()
  const lines = bufferedLines((text) => write(forTerminals(text), ending))
  // However the process ends: what a fault left behind is what one wants to read.
  process.once('exit', () => {
    ending = true
    lines.flush()
  })
  return (output = lines)
}

type WriteLines = (text: string, ending: boolean) => void

/**
 * To somebody who reads, or has stopped reading: nothing waits for that. A thread that waited in a write to a full pipe
 * could not be ended, and the process neither.
 */
function toReader(): WriteLines {
  // One that went away is no fault: the server goes on without it.
  process.stdout.on('error', () => {})
  return (text) => {
    if (process.stdout.writableLength < UNREAD_MAX) process.stdout.write(text)
  }
}

/**
 * Lines that cannot be written, on a full disk say, are lost: the server goes on without them, and tries again with those
 * that come later. To end, it does not wait for room: pino would, for ever.
 */
function toFile(): WriteLines {
  let file: ReturnType<typeof pino.destination> | undefined
  let refused = false
  const opened = (): NonNullable<typeof file> => {
    const made = pino.destination({ sync: false })
    made.on('error', () => {
      refused = true
      if (file === made) file = undefined
      made.destroy()
    })
    made.on('write', () => {
      refused = false
    })
    return made
  }
  return (text, ending) => {
    if (ending && refused) return
    file ??= opened()
    file.write(text)
    if (ending) file.flushSync()
  }
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
