import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Printed } from './server-process.ts'

/** A command, and where it is typed. */
export interface Typed {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
}

/** Commands that ask and print; the others have threads, or a mind of their own for signals. */
const ANSWERED = 'repo tag delegation signer policy key root user token audit find expiry clock config'.split(' ')

/** Kinds of commands that had a process of their own in this file of tests. */
const known = new Set<string>()
let typist: ChildProcess | undefined
let isTyping = false

/**
 * Type a command in a process that all of them share: one of its own takes ten times what most commands take. Not so the
 * first of its kind, and what has settings that are not ours, such as a proxy.
 *
 * @param code how it is to end, if that is known: each end is seen in a process of its own, too
 * @returns undefined where it needs a process of its own
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

/** It ends with this process. */
function begin(): ChildProcess {
  // Otherwise that of the commands themselves: without any, what is compiled takes as long as ten commands.
  const { PATH, NODE_COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/countersign') } = process.env
  const child = fork(join(import.meta.dirname, 'typist-process.ts'), {
    execArgv: ['--preserve-symlinks'],
    env: { PATH, NODE_COMPILE_CACHE },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.unref()
  return child
}
