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
import { prefixed } from '../../src/cli/terminal/print.ts'
import { TrustError } from '../../src/errors.ts'
import type { Repair } from '../../src/repair.ts'
import { loadSettings } from '../../src/settings/load.ts'
import type { Endpoint } from '../support/exchange.ts'
import { COMMAND, countersign, type Printed } from '../support/server-process.ts'
import { typeKnown } from '../support/typist.ts'
import type { Hosted } from './hosted.ts'

export type { Printed }

/** Options of `repair`. */
export interface RepairOptions {
  readonly from?: string
  readonly withoutAnchor?: true
  readonly dryRun?: true
}

const UMASK = process.umask()

/** A person's terminal: a directory of its own, in which countersign commands run. */
export class Terminal {
  readonly directory: string
  /** Variables for all commands, with no settings of this machine. */
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

  /** @param like a terminal without a running server, whose files are copied */
  static async open(like?: Terminal): Promise<Terminal> {
    const directory = await mkdtemp(join(tmpdir(), 'cs-cli-'))
    if (like !== undefined) await cp(like.directory, directory, { recursive: true })
    return new Terminal(directory)
  }

  path(...names: string[]): string {
    return join(this.directory, ...names)
  }

  /** Runs a command to its end. */
  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Printed> {
    return this.#type(args, environment)
  }

  /** Runs a command in a process of its own for certain, where two must run at once. */
  runApart(args: readonly string[]): Promise<Printed> {
    return countersign(args, this.environment, { cwd: this.directory })
  }

  /** @param code the expected exit code, if known */
  #type(args: readonly string[], environment: Readonly<Record<string, string>>, code?: number): Promise<Printed> {
    const typed = { args, environment: { ...this.environment, ...environment }, directory: this.directory }
    return typeKnown(typed, code) ?? countersign(args, typed.environment, { cwd: this.directory })
  }

  /** Runs a command and compares its output, made steady, and its exit code. @returns its standard output */
  async prints(command: string, expected: string | RegExp, code = 0): Promise<string> {
    const { stdout, stderr, code: ended } = await this.#type(command.split(' '), {}, code)
    const text = steady(stdout + stderr)
    if (typeof expected === 'string') assert.equal(text, expected, command)
    else assert.match(text, expected, command)
    assert.equal(ended, code, command)
    return stdout
  }

  /**
   * Runs a command's operation without its process, in the running server or in this process, where only its effect or
   * answer matters.
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

  /** Returns what `check` prints, without running the command. */
  async checked(environment?: Readonly<Record<string, string>>): Promise<string> {
    return `${reportText(await this.ask(checkStore, {}, environment))}\n`
  }

  /** Connects for several operations. @throws TrustError */
  connect(environment: Readonly<Record<string, string>> = {}): Promise<Connection> {
    return withOwnUmask(() => connect(loadSettings({ environment: { ...this.#places, ...environment } })))
  }

  /**
   * Starts a server with one thread in this process, where it only has to answer or to have run. Tests of its start,
   * output and end use `start`.
   *
   * @param now its clock
   */
  async host(environment: Readonly<Record<string, string>> = {}, now: () => number = Date.now): Promise<Hosted> {
    // Loaded on demand: not every test needs a server.
    const { hostServer } = await import('./hosted.ts')
    const settings = loadSettings({ environment: { ...this.#places, COUNTERSIGN_THREADS: '1', ...environment } })
    const hosted = await withOwnUmask(() => hostServer(settings, now))
    this.#hosted.push(hosted)
    return hosted
  }

  /**
   * Returns the error and hint of a refused start, without a process of its own. Paths are relative to this terminal.
   * Tests of the output itself use `run`.
   */
  async refusal(environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const absolute = Object.entries(environment).map(([name, value]) => [
      name,
      /_(?:FILE|DIRECTORY|CONFIG)$/.test(name) ? this.path(value) : value,
    ])
    return this.refused(this.host(Object.fromEntries(absolute) as Record<string, string>))
  }

  /** Returns the error and hint of refused work, as a command prints them. */
  async refused(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => assert.fail('nothing was refused'),
      (reason: unknown) => reason,
    )
    if (!(error instanceof TrustError)) throw error
    const text = [prefixed('error', error.message), ...(error.hint === undefined ? [] : [prefixed('hint', error.hint)])]
    return `${text.join('\n')}\n`.replaceAll(`${this.directory}/`, '')
  }

  /**
   * Runs `repair` without a process of its own.
   *
   * @param name of the directory to make @param from a backup @param environment more variables
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

  /** Starts the server and waits until it answers. @throws Error with its output if it ends instead */
  async serve(args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Promise<Started> {
    const started = this.start(args, environment)
    await started.ready()
    return started
  }

  /** Starts the server without waiting. */
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

/** A server started at a terminal, and its output so far. */
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

  /** Waits until its log says this. @throws Error with its output if it ends instead */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const more = once(this.#child.stdout ?? this.#child, 'data').then(() => true)
      if (!(await Promise.race([more, this.#closed.then(() => false)]))) throw new Error(`it ended: ${this.stderr}`)
    }
  }

  /** Waits until it answers. @throws Error with its output if it ends instead */
  async ready(): Promise<void> {
    await this.says('"ready"')
    this.ca = await readFile(this.#terminal.path('keys', 'tls', 'ca.crt'), 'utf8').catch(() => undefined)
  }

  /** The URL in its log. */
  get url(): string {
    return /"url":"([^"]+)"/.exec(this.stdout)?.[1] ?? ''
  }

  get port(): string {
    return new URL(this.url).port
  }

  /** Its log entries. */
  get log(): Record<string, unknown>[] {
    return this.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Closes the reading end of its output. */
  unread(): void {
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for its end. @returns the exit code; null after SIGKILL */
  async ended(): Promise<number | null> {
    await this.#closed
    return this.#child.exitCode
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal)
    return this.ended()
  }
}

/** Restores the test's umask after work that sets it, since later commands would inherit it. */
async function withOwnUmask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    process.umask(UMASK)
  }
}

/** Replaces what differs in each run: ids, days, ports. The widths of ids and dates never differ. */
export function steady(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'SHORTENED-ID')
    .replace(/\b\d{4}-\d\d-\d\d\b/g, 'YYYY-MM-DD')
    .replace(/\b\d+ days\b/g, 'N days')
    .replace(/(localhost:)\d+/g, '$1PORT')
}
