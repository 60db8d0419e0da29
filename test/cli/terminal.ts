import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { z } from 'zod'
import type { Operation } from '../../src/admin/operation.ts'
import { checkStore } from '../../src/admin/check.ts'
import { reportText } from '../../src/cli/check.ts'
import { connect } from '../../src/cli/connection/connect.ts'
import type { Connection } from '../../src/cli/connection/connection.ts'
import { said } from '../../src/cli/terminal/print.ts'
import { TrustError } from '../../src/errors.ts'
import type { Repair } from '../../src/repair.ts'
import { loadSettings } from '../../src/settings/load.ts'
import type { Endpoint } from '../support/exchange.ts'
import { COMMAND, countersign, type Printed } from '../support/server-process.ts'
import { typeKnown } from '../support/typist.ts'
import type { Hosted } from './hosted.ts'

export type { Printed }

/** As the options of `repair`. */
export interface RepairOptions {
  readonly from?: string
  readonly withoutAnchor?: true
  readonly dryRun?: true
}

const UMASK = process.umask()

/** A person's terminal: a directory of its own, and the countersign command typed there. */
export class Terminal {
  readonly directory: string
  /** Variables for everything that is typed; nothing of the machine's own settings. */
  readonly environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nowhere',
    COUNTERSIGN_LISTEN_PORT: '0',
  }
  readonly #started: Started[] = []
  readonly #hosted: Hosted[] = []

  private constructor(directory: string) {
    this.directory = directory
  }

  /** @param like what lies there lies here too from the beginning; no server runs there */
  static async open(like?: Terminal): Promise<Terminal> {
    const directory = await mkdtemp(join(tmpdir(), 'cs-cli-'))
    if (like !== undefined) await cp(like.directory, directory, { recursive: true })
    return new Terminal(directory)
  }

  path(...names: string[]): string {
    return join(this.directory, ...names)
  }

  /** Type a command and wait for its end. */
  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Printed> {
    return this.#type(args, environment)
  }

  /** The same, in a process of its own for certain: where two are to meet. */
  runApart(args: readonly string[]): Promise<Printed> {
    return countersign(args, this.environment, { cwd: this.directory })
  }

  /** @param code how it is to end, if that is known */
  #type(args: readonly string[], environment: Readonly<Record<string, string>>, code?: number): Promise<Printed> {
    const typed = { args, environment: { ...this.environment, ...environment }, directory: this.directory }
    return typeKnown(typed, code) ?? countersign(args, typed.environment, { cwd: this.directory })
  }

  /** Type a command: what it prints, made steady, and its exit code are as expected. @returns its standard output */
  async prints(command: string, expected: string | RegExp, code = 0): Promise<string> {
    const { stdout, stderr, code: ended } = await this.#type(command.split(' '), {}, code)
    const text = steady(stdout + stderr)
    if (typeof expected === 'string') assert.equal(text, expected, command)
    else assert.match(text, expected, command)
    assert.equal(ended, code, command)
    return stdout
  }

  /**
   * Do what a command does, in the running server or in this process, without a process for it: where something only has
   * to be there, or to be looked at.
   *
   * @param environment more variables
   * @throws TrustError
   */
  async ask<Schema extends z.ZodObject, Output>(
    operation: Operation<Schema, Output>,
    input: z.input<Schema>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Output> {
    const connection = await this.connect(environment)
    try {
      return await connection.call(operation, input)
    } finally {
      await connection.close()
    }
  }

  /** What `check` prints, without typing it. */
  async checked(environment?: Readonly<Record<string, string>>): Promise<string> {
    return `${reportText(await this.ask(checkStore, {}, environment))}\n`
  }

  /** For several of them. @throws TrustError */
  connect(environment: Readonly<Record<string, string>> = {}): Promise<Connection> {
    return withOwnUmask(() => connect(loadSettings({ environment: { ...this.#places, ...environment } })))
  }

  /**
   * A server in this process, with one thread: where it only has to answer, or to have been there. How one starts, what it
   * prints and how it ends is that of those that are started.
   */
  async host(environment: Readonly<Record<string, string>> = {}): Promise<Hosted> {
    // Loaded when it is wanted: not all that type commands have one.
    const { hostServer } = await import('./hosted.ts')
    const settings = loadSettings({ environment: { ...this.#places, COUNTERSIGN_THREADS: '1', ...environment } })
    const hosted = await withOwnUmask(() => hostServer(settings))
    this.#hosted.push(hosted)
    return hosted
  }

  /**
   * What a start that is refused says, without a process for it; paths are as from here. How a command prints it, and ends, is
   * that of those that are typed.
   */
  async refusal(environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const absolute = Object.entries(environment).map(([name, value]) => [
      name,
      /_(?:FILE|DIRECTORY|CONFIG)$/.test(name) ? this.path(value) : value,
    ])
    return this.refused(this.host(Object.fromEntries(absolute) as Record<string, string>))
  }

  /** What is said of work that is refused, as a command prints it. */
  async refused(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => assert.fail('it is done'),
      (reason: unknown) => reason,
    )
    if (!(error instanceof TrustError)) throw error
    const text = [said('error', error.message), ...(error.hint === undefined ? [] : [said('hint', error.hint)])]
    return `${text.join('\n')}\n`.replaceAll(`${this.directory}/`, '')
  }

  /**
   * What `repair` does, without a process for it.
   *
   * @param name of the directory that is made @param from a backup @param environment more variables
   * @throws TrustError
   */
  async repair(
    name: string,
    { from, withoutAnchor, dryRun }: RepairOptions = {},
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Repair> {
    const { repair } = await import('../../src/repair.ts')
    return repair(loadSettings({ environment: { ...this.#places, ...environment } }), {
      directory: resolve(this.directory, name),
      from: from === undefined ? undefined : resolve(this.directory, from),
      withoutAnchor: withoutAnchor === true,
      dryRun: dryRun === true,
      gone: new AbortController().signal,
    })
  }

  get #places(): Record<string, string> {
    return {
      COUNTERSIGN_DATA_DIRECTORY: this.path('data'),
      COUNTERSIGN_KEYS_DIRECTORY: this.path('keys'),
      COUNTERSIGN_LISTEN_PORT: '0',
    }
  }

  /** Start the server and wait until it answers. @throws Error with what it printed, if it ended instead */
  async serve(args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Promise<Started> {
    const started = this.start(args, environment)
    await started.ready()
    return started
  }

  /** Start the server; it may not answer for a while. */
  start(args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Started {
    const started = new Started(this, args, { ...this.environment, ...environment })
    this.#started.push(started)
    return started
  }

  async close(): Promise<void> {
    for (const started of this.#started) await started.end('SIGKILL')
    for (const hosted of this.#hosted) await hosted.end()
    await rm(this.directory, { recursive: true })
  }
}

/** A server that was started at a terminal, and everything that it printed so far. */
export class Started implements Endpoint {
  stdout = ''
  stderr = ''
  ca: string | undefined
  readonly #terminal: Terminal
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  constructor(terminal: Terminal, args: readonly string[], environment: Readonly<Record<string, string>>) {
    this.#terminal = terminal
    this.#child = spawn(COMMAND, ['serve', ...args], { cwd: terminal.directory, env: environment })
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.#closed = once(this.#child, 'close')
  }

  /** Wait until its log says this. @throws Error with what it printed, if it ended instead */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const more = once(this.#child.stdout ?? this.#child, 'data').then(() => true)
      if (!(await Promise.race([more, this.#closed.then(() => false)]))) throw new Error(`it ended: ${this.stderr}`)
    }
  }

  /** Wait until it answers. @throws Error with what it printed, if it ended instead */
  async ready(): Promise<void> {
    await this.says('"ready"')
    this.ca = await readFile(this.#terminal.path('keys', 'tls', 'ca.crt'), 'utf8').catch(() => undefined)
  }

  /** As the log says it. */
  get url(): string {
    return /"url":"([^"]+)"/.exec(this.stdout)?.[1] ?? ''
  }

  get port(): string {
    return new URL(this.url).port
  }

  /** The log, a line an entry. */
  get log(): Record<string, unknown>[] {
    return this.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Whoever read what it prints goes away. */
  unread(): void {
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Wait until it is gone. @returns the exit code; null after SIGKILL */
  async ended(): Promise<number | null> {
    await this.#closed
    return this.#child.exitCode
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal)
    return this.ended()
  }
}

/** What a command sets in its own process is not left behind in that of the test: what is typed later would inherit it. */
async function withOwnUmask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    process.umask(UMASK)
  }
}

/** What differs from run to run, replaced: ids, days, ports. Widths of ids and dates are always the same. */
export function steady(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'SHORTENED-ID')
    .replace(/\b\d{4}-\d\d-\d\d\b/g, 'YYYY-MM-DD')
    .replace(/\b\d+ days\b/g, 'N days')
    .replace(/(localhost:)\d+/g, '$1PORT')
}
