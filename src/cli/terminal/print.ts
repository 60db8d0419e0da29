import { forTerminals, INVISIBLE } from '../../log/for-terminals.ts'

/** Characters of a column: a repository with its tag. Nothing limits names that publishers choose. */
const COLUMN_MAX = 400

/** Text from elsewhere, safe for a terminal: control characters are written as `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`)
}

/** One or more lines on standard output. */
export function print(text: string): void {
  process.stdout.write(`${lines(text)}\n`)
}

/** One or more lines beside the answer, which may be JSON: on standard error. */
export function note(text: string): void {
  process.stderr.write(`${lines(text)}\n`)
}

/** `error:` and `hint:` on standard error. */
export function printError(message: string, hint?: string): void {
  note(said('error', message))
  if (hint !== undefined) note(said('hint', hint))
}

/** @param indent blanks; 0: all of it on one line */
export function printJson(value: unknown, indent = 2): void {
  process.stdout.write(`${forTerminals(JSON.stringify(value, undefined, indent))}\n`)
}

/** An answer for people, and what they should know beside it. */
export function withWarnings(text: string, { warnings }: { readonly warnings: readonly string[] }): string {
  return [text, ...warnings.map((warning) => said('warning', warning))].join('\n')
}

/** An answer for people, and what went wrong beside it. */
export function withErrors(text: string, errors: readonly string[]): string {
  return [text, ...errors.map((error) => said('error', error))].join('\n')
}

/** Words of others may be in it: no line of theirs is to look like one of ours. */
export function said(what: 'error' | 'warning' | 'hint', text: string): string {
  return `${what}: ${text.replace(/\n(?! )/g, '\n  ')}`
}

/**
 * Columns as wide as their widest cell; no trailing blanks. A cell is one line, whatever is in it. One that is longer than
 * `COLUMN_MAX` stands out of its column: all other rows would be as long.
 */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const cells = rows.map((row) => row.map(visible))
  const widths: number[] = []
  for (const row of cells) {
    for (const [column, { length }] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, Math.min(length, COLUMN_MAX))
    }
  }
  const padded = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return padded.map((line) => `${indent}${line}`.trimEnd()).join('\n')
}

/** As much of a key's id as tells it from others. */
export function short(id: string): string {
  return id.slice(0, 12)
}

/** `2026-12-08 (14 days)`, `2026-11-20 (expired)` */
export function daysLeft(time: string, now: number): string {
  const left = Date.parse(time) - now
  const days = Math.floor(left / 86_400_000)
  return `${time.slice(0, 10)} (${left < 0 ? 'expired' : counted(days, 'day', 'days')})`
}

/** `1 day`, `2 days` */
export function counted(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

function lines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}
