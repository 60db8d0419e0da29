import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { z } from 'zod'
import type { Operation } from '../../../src/admin/operation.ts'
import { connect } from '../../../src/cli/connection/connect.ts'
import type { Connection } from '../../../src/cli/connection/connection.ts'
import { loadSettings } from '../../../src/settings/load.ts'
import { countersign, type Printed } from '../../support/server-process.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../../support/server.ts'
import { typeKnown } from '../../support/typist.ts'
import { NotaryClient, type Server } from './notary.ts'

/** A server and `notary` clients; all are removed at the end of the test file. */
export class Stage implements Server {
  readonly server: TestServer
  readonly files: string
  readonly #clients: NotaryClient[] = []

  private constructor(server: TestServer, files: string) {
    this.server = server
    this.files = files
  }

  static async open(options: TestServerOptions = {}): Promise<Stage> {
    return new Stage(await startTestServer(options), await mkdtemp(join(tmpdir(), 'countersign-files-')))
  }

  get url(): string {
    return this.server.url
  }

  get caFile(): string {
    return join(this.server.directory, 'keys', 'tls', 'ca.crt')
  }

  async client(): Promise<NotaryClient> {
    const client = await NotaryClient.create(this)
    this.#clients.push(client)
    return client
  }

  /** Variables for commands beside the running server. */
  get environment(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.files,
      COUNTERSIGN_DATA_DIRECTORY: join(this.server.directory, 'data'),
      COUNTERSIGN_KEYS_DIRECTORY: join(this.server.directory, 'keys'),
    }
  }

  /** Returns the path of a file beside the test's files. */
  path(name: string): string {
    return resolve(this.files, name)
  }

  connect(): Promise<Connection> {
    return connect(loadSettings({ environment: this.environment }))
  }

  /** Runs a command's operation without its process, where only the effect matters. @throws TrustError */
  async ask<Schema extends z.ZodObject, Output>(
    operation: Operation<Schema, Output>,
    input: z.input<Schema>,
  ): Promise<Output> {
    const connection = await this.connect()
    try {
      return await connection.call(operation, input)
    } finally {
      await connection.close()
    }
  }

  /** Runs a command beside the running server. */
  type(...args: string[]): Promise<Printed> {
    return this.#type(args, this.environment)
  }

  /** Runs a command that must succeed. @param more environment @returns its standard output */
  async done(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.#type(args, { ...this.environment, ...more })
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  #type(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Printed> {
    return typeKnown({ args, environment, directory: process.cwd() }) ?? countersign(args, environment)
  }

  /** Writes a file, to sign or with a passphrase. */
  async file(content: string): Promise<string> {
    const path = join(this.files, randomUUID())
    await writeFile(path, content, { mode: 0o600 })
    return path
  }

  async close(): Promise<void> {
    await this.server.stop()
    for (const client of this.#clients) await client.remove()
    await rm(this.files, { recursive: true })
  }
}
