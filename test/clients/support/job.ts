import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from './engine.ts'
import type { Stage } from './stage.ts'
import { runProgram, succeeded, type Outcome } from './tools.ts'

/** Returns the scripts of docs/PIPELINES.md as they stand there: name → text. */
async function documentedScripts(): Promise<Map<string, string>> {
  const page = await readFile('docs/PIPELINES.md', 'utf8')
  const blocks = page.matchAll(/^```sh\n(# trust\/([a-z-]+\.sh): [^]*?)^```$/gm)
  return new Map([...blocks].map(([, text = '', name = '']) => [name, text]))
}

/** What a job is about, and what it knows. */
interface Wish {
  /** Registry and path of the image; the trust data must exist. */
  readonly image: string
  /** More environment variables, such as secrets. */
  readonly variables?: Readonly<Record<string, string>>
  /** `user:password` at the registry, which docker sends to the trust server too. */
  readonly login?: string
}

/**
 * A fresh machine of a CI service, with a checkout that holds the scripts of docs/PIPELINES.md, and the root that the
 * image has now. It is removed with the engine.
 */
export class Job {
  readonly #engine: Engine
  readonly #directory: string
  readonly #variables: Readonly<Record<string, string>>

  private constructor(engine: Engine, directory: string, variables: Readonly<Record<string, string>>) {
    this.#engine = engine
    this.#directory = directory
    this.#variables = variables
  }

  static async start(engine: Engine, stage: Stage, { image, variables, login }: Wish): Promise<Job> {
    const directory = await mkdtemp(join(engine.directory, 'job-'))
    const trust = join(directory, 'trust')
    await mkdir(trust)
    for (const [name, text] of await documentedScripts()) await writeFile(join(trust, name), text)
    await writeFile(join(trust, 'ca.crt'), await readFile(stage.caFile))
    await writeFile(join(trust, 'root.json'), await stage.done(['repo', 'pin', image, '--for', 'docker']))
    const auth = Buffer.from(login ?? 'nobody:no-password').toString('base64')
    const config = join(directory, '.docker')
    await mkdir(config)
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [engine.registry]: { auth } } }))
    return new Job(engine, directory, { IMAGE: image, DOCKER_CONTENT_TRUST_SERVER: stage.url, ...variables })
  }

  /** Runs one of the scripts, and returns the outcome even if it fails. */
  async try(script: string, tag: string): Promise<Outcome> {
    const environment = { HOME: this.#directory, DOCKER_HOST: this.#engine.host, TAG: tag, ...this.#variables }
    return runProgram('sh', ['-c', `cd "$HOME" && sh trust/${script}`], environment)
  }

  /** Runs one of the scripts. @throws Error with its output if it fails */
  async run(script: string, tag: string): Promise<Outcome> {
    return succeeded(await this.try(script, tag))
  }
}
