import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram, succeeded, type Outcome } from './tools.ts'

const PASSPHRASES = {
  NOTARY_ROOT_PASSPHRASE: 'a-test-passphrase',
  NOTARY_TARGETS_PASSPHRASE: 'a-test-passphrase',
  NOTARY_SNAPSHOT_PASSPHRASE: 'a-test-passphrase',
  NOTARY_DELEGATION_PASSPHRASE: 'a-test-passphrase',
}

/** How a client reaches the server. */
export interface Server {
  readonly url: string
  /** File with the CA's certificate. */
  readonly caFile: string
}

/** One person with the `notary` command. Their keys and cache are in a trust directory of their own. */
export class NotaryClient {
  readonly directory: string
  #server: Server
  /** `user:password`; undefined: none. */
  credentials: string | undefined

  private constructor(server: Server, directory: string) {
    this.#server = server
    this.directory = directory
  }

  static async create(server: Server): Promise<NotaryClient> {
    return new NotaryClient(server, await mkdtemp(join(tmpdir(), 'countersign-notary-')))
  }

  /** Switches to this server, and keeps keys and cache. */
  use(server: Server): void {
    this.#server = server
  }

  /** Runs `notary …`, and returns the outcome even if it fails. */
  try(...args: string[]): Promise<Outcome> {
    return this.answer('', ...args)
  }

  /** Runs `notary …`, and answers its questions. */
  answer(input: string, ...args: string[]): Promise<Outcome> {
    const place = ['-s', this.#server.url, '--tlscacert', this.#server.caFile, '-d', this.directory]
    return runProgram('notary', [...place, ...args], { HOME: this.directory, ...PASSPHRASES, ...this.#auth }, input)
  }

  get #auth(): NodeJS.ProcessEnv {
    if (this.credentials === undefined) return {}
    return { NOTARY_AUTH: Buffer.from(this.credentials).toString('base64') }
  }

  /** Runs `notary …`. @throws Error with its output if it fails */
  async run(...args: string[]): Promise<Outcome> {
    return succeeded(await this.try(...args))
  }

  /** Returns the lines of `notary list` as `name role`, sorted. */
  async list(gun: string): Promise<string[]> {
    const { stdout } = await this.run('list', gun)
    const rows = stdout.split('\n').filter((line) => /\s[0-9a-f]{64}\s/.test(line))
    return rows
      .map((line) => line.trim().split(/\s{2,}/))
      .map(([name, , , role]) => `${name} ${role}`)
      .sort()
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
