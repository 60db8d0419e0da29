import { fstatSync } from 'node:fs'
import { pino, type DestinationStream } from 'pino'
import { forTerminals } from './for-terminals.ts'
import { bufferedLines, type BufferedLines } from './lines.ts'

/** A log: facts as fields, never a secret. pino implements it. */
export interface Log {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
  /** Writes what is buffered. */
  flush?(): void
  /** Writes lines that another thread made. */
  lines?(text: string): void
}

/** Characters kept of one text in a log line; clients choose some of these texts. */
const TEXT_MAX = 500
/** Bytes buffered for a reader of the log that has stopped reading; later lines are lost. */
const UNREAD_MAX = 16 * 1024 * 1024

/**
 * Creates a log that writes one JSON object per line to standard output. Secrets never reach it: no caller passes it a
 * header, a token, a key or a body.
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

/** Writes many lines at once. pino's own buffer counts the bytes of each line, which takes as long as making the line. */
function standardOutput(): BufferedLines {
  if (output !== undefined) return output
  let ending = false
  const stats = fstatSync(process.stdout.fd)
  const write = stats.isFIFO() || stats.isSocket() ? toReader() : toFile()
  const lines = bufferedLines((text) => write(forTerminals(text), ending))
  // Flush however the process ends: after a crash these are the lines to read.
  process.once('exit', () => {
    ending = true
    lines.flush()
  })
  return (output = lines)
}

type WriteLines = (text: string, ending: boolean) => void

/**
 * Writes to a pipe or socket without waiting for a reader that has stopped reading. A thread that is blocked in a write
 * to a full pipe cannot be ended, nor can the process.
 */
function toReader(): WriteLines {
  // If the reader goes away, the server goes on without it.
  process.stdout.on('error', () => {})
  return (text) => {
    if (process.stdout.writableLength < UNREAD_MAX) process.stdout.write(text)
  }
}

/**
 * Loses lines that it cannot write, on a full disk for example: the server goes on, and tries again with later lines.
 * At exit it does not wait for space, as pino would, forever.
 */
function toFile(): WriteLines {
  let file: ReturnType<typeof pino.destination> | undefined
  let refused = false
  /** The file may end within a line. */
  let isCut = false
  const opened = (): NonNullable<typeof file> => {
    const made = pino.destination({ sync: false })
    let hasWritten = false
    made.on('error', () => {
      refused = true
      isCut ||= hasWritten
      if (file === made) file = undefined
      made.destroy()
    })
    made.on('write', () => {
      refused = false
      hasWritten = true
    })
    if (isCut) made.write('\n')
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

/** Formats the time once per millisecond, however many lines share it. */
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
