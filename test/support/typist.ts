import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Printed } from './server-process.ts'

/** A command, and where to run it. */
export interface Typed {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
}

/** Commands that ask and print; the others have threads, or handle signals themselves. */
const ANSWERED = 'repo tag delegation signer policy key root user token audit find expiry clock config'.split(' ')

/** Kinds of commands that this test file has already run in a process of their own. */
const known = new Set<string>()
let typist: ChildProcess | undefined
let isTyping = false

/**
 * Runs a command in a shared process: one of its own takes ten times as long as most commands. Not for the first
 * command of its kind, nor with foreign settings, such as a proxy.
 *
 * @param code expected exit code, if known: for each code, one command has a process of its own
 * @returns undefined if the command needs a process of its own
 */
export function typeKnown(typed: Typed, code?: number): Promise<Printed> | undefined {
  const [command = '', subcommand = ''] = typed.args
  const kind = `${command} ${subcommand} ${String(code)}`
  const isOurs = Object.keys(typed.environment).every((name) =>
    /^(?:PATH|HOME|DOCKER_CONFIG|COUNTERSIGN_\w+)$/.test(name),
  )
  if (known.has(kind) && isOurs && !isTyping && ANSWERED.includes(command)) return type(typed)
  known.add(kind)
  return undefined
}

function type(typed: Typed): Promise<Printed> {
  isTyping = true
  const child = (typist ??= begin())
  child.channel?.ref()
  child.send(typed)
  return new Promise<Printed>((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', () => {
      typist = undefined
      reject(new Error(`${typed.args.join(' ')}: the process of all commands ended`))
    })
  }).finally(() => {
    child.removeAllListeners()
    child.channel?.unref()
    isTyping = false
  })
}

/** Starts the shared process, which ends with this one. */
function begin(): ChildProcess {
  // By default, use the commands' own cache: without any, compiling takes as long as ten commands.
  const { PATH, NODE_COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/countersign') } = process.env
  const child = fork(join(import.meta.dirname, 'typist-process.ts'), {
    execArgv: ['--preserve-symlinks'],
    env: { PATH, NODE_COMPILE_CACHE },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.unref()
  return child
}
