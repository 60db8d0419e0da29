import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve, type Running } from '../../src/main.ts'
import { viewAsClient } from '../../src/repository/client-view.ts'
import type { Log } from '../../src/log/log.ts'
import type { FaultHook } from '../../src/store/commit/committer.ts'
import { settingsSchema, PLAIN_HTTP_WORDS, type Settings, type SettingsInput } from '../../src/settings/schema.ts'
import { tlsFiles } from '../../src/signing/tls/identity.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange, type Endpoint } from './exchange.ts'
import { freePort } from './free-port.ts'
import './held-answers.ts'
import type { MetaPayload } from './metadata-file.ts'
import { tufPath } from './upload.ts'

export interface TestServerOptions {
  /** Start of the server's clock, milliseconds since 1970; default: now. It moves only when told. */
  readonly now?: number
  /** TLS is the default; plain HTTP is quicker. */
  readonly transport?: 'tls' | 'plain'
  readonly settings?: SettingsInput
  /** More than one: all use the real clock. */
  readonly threads?: number
  /** Makes writes fail. */
  readonly faults?: FaultHook
  /** Replaces the silent log. */
  readonly log?: Log
}

/** A whole server in this process: real sockets, real LevelDB, real keys, in a temporary directory. */
export class TestServer implements Endpoint {
  readonly directory: string
  readonly clock: { now: number }
  #options: TestServerOptions
  #running: Running
  #ca: string | undefined

  private constructor(directory: string, clock: { now: number }, options: TestServerOptions, running: Running) {
    this.directory = directory
    this.clock = clock
    this.#options = options
    this.#running = running
  }

  static async start(options: TestServerOptions): Promise<TestServer> {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    const clock = { now: options.now ?? Date.now() }
    const settings = settingsFor(directory, options, await freePort())
    const running = await startServing(settings, options, clock).catch(async (error: unknown) => {
      await rm(directory, { recursive: true })
      throw error
    })
    const server = new TestServer(directory, clock, options, running)
    // A test's own certificate is its own authority.
    const ca = settings.tls.certificateFile ?? tlsFiles(settings.keysDirectory).ca
    if (options.transport !== 'plain') server.#ca = await readFile(ca, 'utf8')
    return server
  }

  get url(): string {
    return `${this.#ca === undefined ? 'http' : 'https'}://localhost:${this.#running.port}`
  }

  /** PEM of the authority of the server's certificate; undefined over plain HTTP. */
  get ca(): string | undefined {
    return this.#ca
  }

  get running(): Running {
    return this.#running
  }

  /** Stops as at SIGTERM, and starts again on the same port with the same data. @param changes to its settings */
  async restart(changes: SettingsInput = {}): Promise<void> {
    const { port } = this.#running
    await this.#running.close()
    this.#options = { ...this.#options, settings: { ...this.#options.settings, ...changes } }
    const settings = settingsFor(this.directory, this.#options, port)
    this.#running = await startServing(settings, this.#options, this.clock)
  }

  /** Stops the server and removes everything. */
  async stop(): Promise<void> {
    await this.#running.close()
    await rm(this.directory, { recursive: true })
  }

  /** Checks every repository as its most distrustful client would. Returns what is wrong, by name; empty if all is well. */
  async check(): Promise<string[]> {
    const { trust } = this.#running
    const wrong: string[] = []
    for await (const gun of trust.store.guns(10_000)) {
      const head = trust.store.head(gun)
      if (head?.roles['root'] === undefined) continue
      try {
        await viewAsClient(trust, gun, head, this.clock.now)
      } catch (error) {
        wrong.push(`${gun}: ${String(error)}`)
      }
    }
    return wrong
  }

  /**
   * Hashes the whole state of a repository: the response of every URL, its changefeed, keys and head. If equal before
   * and after, nothing changed.
   */
  async stateHash(gun: string): Promise<string> {
    const { store } = this.#running.trust
    const hash = createHash('sha256')
    const name = parseGun(gun)
    const head = store.head(name)
    hash.update(JSON.stringify(head ?? null))
    for (const role of ['timestamp', 'snapshot'] as const) {
      for (const key of store.keys(name, role)) hash.update(`${key.keyId} ${key.pending} ${key.public}\n`)
    }
    const files = ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json', ...versions(head?.highest['root'])]
    for (const file of files) await this.#absorb(hash, tufPath(gun, file))
    for (const [role, meta] of Object.entries(await this.#snapshotMeta(gun))) {
      const sha256 = Buffer.from(meta.hashes['sha256'] ?? '', 'base64').toString('hex')
      await this.#absorb(hash, tufPath(gun, `${role}.${sha256}.json`))
    }
    await this.#absorb(hash, `${tufPath(gun).replace(/tuf\/$/, '')}changefeed?records=1000`)
    return hash.digest('hex')
  }

  async #absorb(hash: ReturnType<typeof createHash>, path: string): Promise<void> {
    const { status, body } = await exchange(this, { path })
    hash.update(`${path} ${status} ${body.length}\n`).update(body)
  }

  async #snapshotMeta(gun: string): Promise<MetaPayload['meta']> {
    const { status, body } = await exchange(this, { path: tufPath(gun, 'snapshot.json') })
    return status === 200 ? (JSON.parse(body.toString('utf8')) as { signed: MetaPayload }).signed.meta : {}
  }
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  return TestServer.start(options)
}

function versions(highest = 0): string[] {
  return Array.from({ length: highest }, (_, index) => `${index + 1}.root.json`)
}

async function startServing(
  settings: Settings,
  { threads, faults, log }: TestServerOptions,
  clock: { readonly now: number },
): Promise<Running> {
  const running = await serve(settings, {
    ...(threads === undefined ? { now: () => clock.now } : {}),
    ...(faults === undefined ? {} : { faults }),
    ...(log === undefined ? {} : { log }),
  })
  await running.allThreads
  return running
}

function settingsFor(directory: string, options: TestServerOptions, port: number): Settings {
  const keysDirectory = join(directory, 'keys')
  const parsed = settingsSchema.parse({
    dataDirectory: join(directory, 'data'),
    keysDirectory,
    logLevel: 'silent',
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...options.settings,
    listen: {
      port,
      ...(options.transport === 'plain' ? { plainHttp: PLAIN_HTTP_WORDS } : {}),
      ...options.settings?.listen,
    },
  })
  return { ...parsed, anchorFile: parsed.anchorFile ?? join(keysDirectory, 'anchor') }
}
