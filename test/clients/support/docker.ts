import { copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from './engine.ts'
import type { Server } from './notary.ts'
import { runProgram, succeeded, type Outcome } from './tools.ts'

const PASSPHRASE = 'a-test-passphrase'

/** A row of `docker trust inspect`. */
export interface SignedTag {
  readonly tag: string
  readonly digest: string
  /** `Repo Admin` for a tag signed in `targets` alone. */
  readonly signers: readonly string[]
}

/**
 * One person with the `docker` command and content trust on. Their configuration, keys and cache are in a directory
 * inside the engine's, and are removed with it.
 */
export class DockerClient {
  readonly directory: string
  readonly #engine: Engine
  #server: Server

  private constructor(engine: Engine, server: Server, directory: string) {
    this.#engine = engine
    this.#server = server
    this.directory = directory
  }

  /** @param user the login name in docker's configuration, which `docker trust sign` takes for the signer's */
  static async create(engine: Engine, server: Server, user: string): Promise<DockerClient> {
    const directory = await mkdtemp(join(engine.directory, 'person-'))
    const auth = Buffer.from(`${user}:no-password`).toString('base64')
    await writeFile(join(directory, 'config.json'), JSON.stringify({ auths: { [engine.registry]: { auth } } }))
    const client = new DockerClient(engine, server, directory)
    await client.use(server)
    return client
  }

  /** Switches to this trust server and keeps the cache of the previous one. */
  async use(server: Server): Promise<void> {
    this.#server = server
    const tls = join(this.directory, 'tls', new URL(server.url).host)
    await mkdir(tls, { recursive: true })
    await copyFile(server.caFile, join(tls, 'ca.crt'))
  }

  /** Runs `docker …` with content trust, and returns the outcome even if it fails. */
  try(...args: string[]): Promise<Outcome> {
    return this.#run(args, '1', '')
  }

  /** Runs `docker …` with content trust. @throws Error with its output if it fails */
  async run(...args: string[]): Promise<Outcome> {
    return succeeded(await this.try(...args))
  }

  /** Logs in to a registry; docker keeps the credentials in its configuration. */
  async login(registry: string, user: string, password: string): Promise<Outcome> {
    return succeeded(await this.#run(['login', '--username', user, '--password-stdin', registry], '0', password))
  }

  /** Runs `docker …` with content trust, and answers its questions. */
  async answer(input: string, ...args: string[]): Promise<Outcome> {
    return succeeded(await this.#run(args, '1', input))
  }

  /** Runs `docker …` without content trust. */
  async untrusted(...args: string[]): Promise<Outcome> {
    return succeeded(await this.#run(args, '0', ''))
  }

  /**
   * Returns the tags in `docker trust inspect`: tag → digest, with the signers' names.
   *
   * @throws Error if a tag has two digests, of which a test would see one or the other by chance: see rows
   */
  async signed(repository: string): Promise<Record<string, Pick<SignedTag, 'digest' | 'signers'>>> {
    const rows = await this.rows(repository)
    const signed = Object.fromEntries(rows.map(({ tag, digest, signers }) => [tag, { digest, signers }]))
    if (Object.keys(signed).length < rows.length) throw new Error(`two digests of one tag: ${JSON.stringify(rows)}`)
    return signed
  }

  /**
   * Returns the same as rows, in any order. A tag with different digests in `targets` and `targets/releases` has two.
   */
  async rows(repository: string): Promise<SignedTag[]> {
    const { stdout } = await this.run('trust', 'inspect', repository)
    const [{ SignedTags: tags = [] } = {}] = JSON.parse(stdout) as {
      SignedTags?: { SignedTag: string; Digest: string; Signers: string[] }[]
    }[]
    return tags.map(({ SignedTag: tag, Digest: digest, Signers: signers }) => ({ tag, digest, signers }))
  }

  #run(args: string[], trust: '0' | '1', input: string): Promise<Outcome> {
    const environment = {
      HOME: this.directory,
      DOCKER_CONFIG: this.directory,
      DOCKER_HOST: this.#engine.host,
      // BuildKit verifies nothing.
      DOCKER_BUILDKIT: '0',
      DOCKER_CONTENT_TRUST: trust,
      DOCKER_CONTENT_TRUST_SERVER: this.#server.url,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    }
    return runProgram('docker', args, environment, input)
  }
}
