import type { Command } from 'commander'
import { loadSettings } from '../config.ts'
import { TrustError } from '../errors.ts'
import type { Settings } from '../settings-schema.ts'
import { connect, type Connection } from './connect.ts'
import { printError } from './print.ts'

/** Exit codes, for scripts. */
export const EXIT = {
  ok: 0,
  /** The answer is "no": findings, no such repository, not confirmed. */
  negative: 1,
  /** It could not be done; `error:` says why. */
  failed: 2,
} as const

/** Settings from --config and the environment. @throws TrustError BAD_SETTINGS */
export function settingsOf(command: Command): Settings {
  return loadSettings({ file: command.optsWithGlobals<{ config?: string }>().config, environment: process.env })
}

/**
 * Run an action: what it returns is the exit code. A TrustError becomes `error:` and `hint:` lines, never a stack;
 * anything else is a fault of ours, and its stack is what we want to read in a report.
 */
export async function run(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (error) {
    process.exitCode = EXIT.failed
    if (error instanceof TrustError) {
      printError(error.message, error.hint)
      return
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    printError(text, 'this is a fault of Countersign: please report it with these lines')
  }
}

/** Run with a connection that is closed afterwards. */
export function withConnection(command: Command, action: (connection: Connection) => Promise<number>): Promise<void> {
  return run(async () => {
    const connection = await connect(settingsOf(command))
    try {
      return await action(connection)
    } finally {
      await connection.close()
    }
  })
}

/** Say that there is no such repository. @returns the exit code */
export function noSuchRepository(name: string): number {
  printError(`there is no repository ${name}`, '"countersign repo list" prints all names')
  return EXIT.negative
}
