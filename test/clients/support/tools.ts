import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Returns why tests with these programs cannot run here, or false if they can. In CI a missing program is an error,
 * because the server exists for these clients.
 */
export function skipWithout(...programs: string[]): string | false {
  const missing = programs.filter((program) => !isInPath(program))
  const reason =
    missing.length > 0
      ? `not installed here: ${missing.join(', ')}`
      : programs.includes('dockerd') && process.getuid?.() !== 0
        ? 'dockerd needs root'
        : undefined
  if (reason !== undefined && process.env['CI'] === 'true') throw new Error(`in CI all clients are needed: ${reason}`)
  return reason ?? false
}

function isInPath(program: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What a program printed, and how it ended. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Both together, as a person sees them. */
  readonly text: string
}

/** Runs a program to its end. */
export async function runProgram(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  input: string | Buffer = '',
): Promise<Outcome> {
  const child = spawn(program, args, {
    env: { PATH: `${process.env['PATH']}${delimiter}/usr/sbin`, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [stdout, stderr, text] = ['', '', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    text += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    text += chunk.toString()
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr, text }
}

/** Returns the outcome of a program that had to succeed. @throws Error with all its output */
export function succeeded(outcome: Outcome): Outcome {
  if (outcome.code !== 0) throw new Error(`ended with ${outcome.code}: ${outcome.text}`)
  return outcome
}
