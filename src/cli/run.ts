import type { Command } from 'commander'
import { loadSettings } from '../config.ts'
import { TrustError } from '../errors.ts'
import type { Settings } from '../settings-schema.ts'

/** Exit codes, for scripts. */
export const EXIT = {
  ok: 0,
  /** The answer is "no": findings, no such repository. */
  negative: 1,
  /** It could not be done; `error:` says why. */
  failed: 2,
} as const

/** Settings from --config and the environment. */
export function settingsOf(command: Command): Settings {
  return loadSettings({ file: command.optsWithGlobals<{ config?: string }>().config, environment: process.env })
}

/** Run an action: what it returns is the exit code; a TrustError becomes `error:` and `hint:` lines, never a stack. */
export async function run(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    process.stderr.write(`error: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`)
    process.exitCode = EXIT.failed
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2))
}

/** Columns as wide as their widest cell; no trailing blanks. */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return lines.map((line) => `${indent}${line}`.trimEnd()).join('\n')
}

/** `2026-12-08 (14 days)`, `2026-11-20 (expired)` */
export function daysLeft(time: string, now: number): string {
  const days = Math.floor((Date.parse(time) - now) / 86_400_000)
  return `${time.slice(0, 10)} (${days < 0 ? 'expired' : days === 1 ? '1 day' : `${days} days`})`
}
