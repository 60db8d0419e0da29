import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exchange, type Endpoint } from './exchange.ts'

/** The command that users type. */
export const COMMAND = join(import.meta.dirname, '..', '..', 'scripts', 'countersign')

/** Runs the real server in a process of its own that can be killed: `countersign serve`, with its data in `directory`. */
export class ServerProcess implements Endpoint {
  readonly directory: string
  readonly port: number
  ca: string | undefined
  /** Its log since it started. */
  log = ''
  #child: ChildProcess | undefined

  constructor(directory: string, port: number) {
    this.directory = directory
    this.port = port
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get url(): string {
    return `https://localhost:${this.port}`
  }

  /** Resolves when the server answers. @throws Error with its output, if it ended instead */
  async start(): Promise<void> {
    const child = spawn(COMMAND, ['serve', '--quiet'], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let printed = ''
    child.stderr.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
    this.log = ''
    const { promise: ready, resolve } = Promise.withResolvers<void>()
    child.stdout.on('data', (chunk: Buffer) => {
      this.log += chunk.toString()
      if (this.log.includes('"msg":"ready"')) resolve()
    })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${String(code)}: ${printed}`)
    })
    await Promise.race([ready, ended])
    ended.catch(() => undefined)
    this.ca = await readFile(join(this.directory, 'keys', 'tls', 'ca.crt'), 'utf8')
    const { status } = await exchange(this, { path: '/v2/' })
    if (status !== 200) throw new Error(`the server answers ${status}`)
  }

  /** @returns the signal that ended it */
  async died(): Promise<string | null> {
    if (this.#child?.signalCode === null) await once(this.#child, 'exit')
    return this.#child?.signalCode ?? null
  }

  /** Ends the process. @returns its exit code; null after SIGKILL */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exit = once(child, 'exit') as Promise<[number | null]>
    child.kill(signal)
    const [code] = await exit
    return code
  }

  /** Environment for command lines that use the same data. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      COUNTERSIGN_DATA_DIRECTORY: join(this.directory, 'data'),
      COUNTERSIGN_KEYS_DIRECTORY: join(this.directory, 'keys'),
      COUNTERSIGN_LISTEN_PORT: String(this.port),
      // More than a small machine's default, so that commits of several threads are under way when it is killed.
      COUNTERSIGN_THREADS: '2',
    }
  }
}

export interface Printed {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line to its end. */
export async function countersign(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  options: { readonly cwd?: string } = {},
): Promise<Printed> {
  const child = spawn(COMMAND, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}
