import { forTerminals, INVISIBLE } from '../../log/for-terminals.ts'

/** Widest column, in characters: a repository with its tag. Publishers choose names without limits. */
const COLUMN_MAX = 400

const OUTER_BLANKS = /^ +| +$/g
const BLANK = (blanks: string): string => String.raw`\u{20}`.repeat(blanks.length)

/** Makes foreign text safe for a terminal: writes control characters as `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`)
}

/** Prints one or more lines on standard output. */
export function print(text: string): void {
  process.stdout.write(`${lines(text)}\n`)
}

/** Prints one or more lines on standard error, apart from the answer, which may be JSON. */
export function note(text: string): void {
  process.stderr.write(`${lines(text)}\n`)
}

/** Prints `error:` and `hint:` on standard error. */
export function printError(message: string, hint?: string): void {
  note(prefixed('error', message))
  if (hint !== undefined) note(prefixed('hint', hint))
}

/** @param indent blanks; 0: prints one line */
export function printJson(value: unknown, indent = 2): void {
  process.stdout.write(`${forTerminals(JSON.stringify(value, undefined, indent))}\n`)
}

/** Returns an answer for people, with its warnings. */
export function withWarnings(text: string, warnings: readonly string[]): string {
  return [text, ...warnings.map((warning) => prefixed('warning', warning))].join('\n')
}

/** Returns an answer for people, with its errors. */
export function withErrors(text: string, errors: readonly string[]): string {
  return [text, ...errors.map((error) => prefixed('error', error))].join('\n')
}

/** Prefixes a message. It may quote foreign text, no line of which may look like one of ours. */
export function prefixed(what: 'error' | 'warning' | 'hint', text: string): string {
  return `${what}: ${text.replace(/\n(?! )/g, '\n  ')}`
}

/**
 * Formats columns as wide as their widest cell, without trailing blanks and with each cell on one line. A cell longer
 * than `COLUMN_MAX` sticks out of its column: it would widen all other rows. Blanks around a cell's text, which would
 * look like the column's own, are written as `\u{20}`.
 */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const cells = rows.map((row) => row.map((cell) => visible(cell).replace(OUTER_BLANKS, BLANK)))
  const widths: number[] = []
  for (const row of cells) {
    for (const [column, { length }] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, Math.min(length, COLUMN_MAX))
    }
  }
  const padded = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return padded.map((line) => `${indent}${line}`.trimEnd()).join('\n')
}

/** Returns enough of a key's id to tell it from others. */
export function short(id: string): string {
  return id.slice(0, 12)
}

/** `2026-12-08 (14 days)`, `2026-11-24 (less than a day)`, `2026-11-20 (expired)` */
export function daysLeft(time: string, now: number): string {
  const left = Date.parse(time) - now
  const days = Math.floor(left / 86_400_000)
  const soon = left < 0 ? 'expired' : 'less than a day'
  return `${time.slice(0, 10)} (${days < 1 ? soon : counted(days, 'day', 'days')})`
}

/** `1 day`, `2 days` */
export function counted(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

function lines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}
