import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../support/free-port.ts'
import { runProgram, succeeded } from './tools.ts'

/** Milliseconds in which a daemon must answer, even on a busy machine. */
const START_LIMIT = 180_000

interface Options {
  readonly htpasswd?: string
  readonly storage?: 'copies' | 'best'
}

/**
 * A docker engine and a registry of one test. All files are in one directory; both listen on loopback and end with the
 * test.
 */
export class Engine {
  readonly directory: string
  /** `localhost:PORT` of the registry. */
  readonly registry: string
  readonly #children: ChildProcess[] = []

  private constructor(directory: string, registry: string) {
    this.directory = directory
    this.registry = registry
  }

  /**
   * @param htpasswd lines of users that the registry knows; undefined: open to everybody
   * @param storage how layers are kept: as whole copies, which works everywhere, or in the best way available here
   */
  static async start({ htpasswd, storage = 'copies' }: Options = {}): Promise<Engine> {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-engine-'))
    const port = await freePort()
    const engine = new Engine(directory, `localhost:${port}`)
    try {
      await engine.#startRegistry(port, htpasswd)
      await engine.#startDocker(storage)
      return engine
    } catch (error) {
      await engine.stop()
      throw error
    }
  }

  get host(): string {
    return `unix://${join(this.directory, 'docker.sock')}`
  }

  /** Makes an image with unique content under this name. */
  async image(name: string, content: string): Promise<void> {
    const files = await mkdtemp(join(this.directory, 'image-'))
    await writeFile(join(files, 'content'), content)
    const environment = { DOCKER_HOST: this.host, HOME: this.directory }
    await runProgram('tar', ['-C', files, '-cf', join(files, 'image.tar'), 'content'], environment).then(succeeded)
    const tar = join(files, 'image.tar')
    await runProgram('docker', ['import', tar, name], environment).then(succeeded)
  }

  async stop(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await exit
    }
    // Containers on the host's network leave this mounted.
    await runProgram('umount', [join(this.directory, 'exec', 'netns', 'default')], {})
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }

  async #startRegistry(port: number, htpasswd: string | undefined): Promise<void> {
    const config = join(this.directory, 'registry.json')
    const storage = { filesystem: { rootdirectory: join(this.directory, 'registry') }, delete: { enabled: true } }
    const path = join(this.directory, 'htpasswd')
    const auth = htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'registry', path } } }
    await writeFile(path, htpasswd ?? '')
    await writeFile(config, JSON.stringify({ version: '0.1', storage, http: { addr: `127.0.0.1:${port}` }, ...auth }))
    this.#spawn('docker-registry', ['serve', config])
    await answers(
      () => fetch(`http://127.0.0.1:${port}/v2/`).then(({ ok, status }) => ok || status === 401),
      'the registry',
      () => this.#log('docker-registry'),
    )
  }

  async #startDocker(storage: Options['storage']): Promise<void> {
    const at = (name: string): string => join(this.directory, name)
    await mkdir(at('docker'))
    await writeFile(at('daemon.json'), '{}')
    this.#spawn('dockerd', [
      ...['--config-file', at('daemon.json'), '--data-root', at('docker'), '--exec-root', at('exec')],
      ...['--pidfile', at('docker.pid'), '-H', this.host],
      ...(storage === 'copies' ? ['--storage-driver=vfs'] : []),
      ...['--bridge=none', '--iptables=false', '--ip-masq=false'],
    ])
    const ready = async (): Promise<boolean> => {
      const { code } = await runProgram('docker', ['version'], { DOCKER_HOST: this.host, HOME: this.directory })
      return code === 0
    }
    await answers(ready, 'dockerd', () => this.#log('dockerd'))
  }

  #spawn(program: string, args: string[]): void {
    const path = `${process.env['PATH']}:/usr/sbin:/sbin`
    const child = spawn(program, args, { env: { PATH: path, HOME: this.directory }, stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(join(this.directory, `${program}.log`))
    child.stdout.pipe(log)
    child.stderr.pipe(log)
    this.#children.push(child)
  }

  #log(program: string): Promise<string> {
    return readFile(join(this.directory, `${program}.log`), 'utf8')
  }
}

async function answers(ask: () => Promise<boolean>, what: string, log: () => Promise<string>): Promise<void> {
  const end = Date.now() + START_LIMIT
  while (Date.now() < end) {
    if (await ask().catch(() => false)) return
    await pause(100)
  }
  throw new Error(`${what} did not start:\n${(await log()).slice(-4000)}`)
}
