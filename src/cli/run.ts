import type { Command } from 'commander'
import type { z } from 'zod'
import type { Operation } from '../admin/operation.ts'
import { failureOf, TrustError } from '../errors.ts'
import { loadSettings } from '../settings/load.ts'
import type { Settings } from '../settings/schema.ts'
import { connect } from './connection/connect.ts'
import type { Connection } from './connection/connection.ts'
import { EXIT } from './exit.ts'
import { print, printError, printJson } from './terminal/print.ts'

/** Returns the settings file that --config names. */
export function configOf(command: Command): string | undefined {
  return command.optsWithGlobals<{ config?: string }>().config
}

/** Loads settings from --config and the environment. @throws TrustError BAD_SETTINGS */
export function settingsOf(command: Command): Settings {
  return loadSettings({ file: configOf(command), environment: process.env })
}

/**
 * Runs an action, which returns the exit code. Prints a TrustError as `error:` and `hint:` lines, without a stack;
 * anything else is our own fault, and its stack is what we want in a report.
 */
export async function run(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (error) {
    process.exitCode = EXIT.failed
    if (error instanceof TrustError) {
      if (error.code === 'NOT_FOUND') process.exitCode = EXIT.negative
      printError(error.message, error.hint)
      return
    }
    printError(failureOf(error).message, 'this is a fault of Countersign: please report it with these lines')
  }
}

/** Runs an action with a connection, and closes it afterwards. */
export function withConnection(command: Command, action: (connection: Connection) => Promise<number>): Promise<void> {
  return run(() => connected(command, action))
}

/** Does the same within a `run`, after any questions that come before anything is opened. */
export async function connected<Result>(
  command: Command,
  action: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(settingsOf(command))
  try {
    return await action(connection)
  } finally {
    await connection.close()
  }
}

/**
 * Runs one operation and prints its answer: as JSON with `--json`, otherwise as text by `show`. `--dry-run` says what
 * would happen.
 *
 * @param input or a function that asks for it, before anything is opened
 * @param show returns lines for people
 * @param codeOf returns the exit code, if the answer may be "no"
 */
export function ask<Schema extends z.ZodObject, Output>(
  command: Command,
  operation: Operation<Schema, Output>,
  input: z.input<Schema> | (() => Promise<z.input<Schema>>),
  show: (output: Output) => string,
  codeOf: (output: Output) => number = () => EXIT.ok,
): Promise<void> {
  const { json, dryRun } = command.opts<{ json?: true; dryRun?: true }>()
  return run(async () => {
    const asked = typeof input === 'function' ? await input() : input
    return connected(command, async (connection) => {
      const output = await connection.call(operation, asked, dryRun)
      if (json === true) printJson(output)
      else print(dryRun === true ? `would do: ${show(output)}` : show(output))
      return codeOf(output)
    })
  })
}
