import { execFile, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readdirSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { contenderOver, freePort, remove, start, workDirectory, type Contender } from './contender.ts'
import type { TokenService } from './token-service.ts'

/** This checkout. */
const HERE = join(import.meta.dirname, '..', '..')

/** Countersign, with features that the others lack. */
export interface CountersignServer extends Contender {
  /** Unix socket of the admin API. */
  readonly controlSocket: string
  /** Creates a repository whose targets, snapshot and timestamp the server signs. */
  createRepository(gun: string): Promise<void>
}

/**
 * Starts Countersign as users do, with a directory of its own, where its log goes to a file.
 *
 * @param checkout directory of its code
 */
export async function startCountersign(tokens?: TokenService, checkout = HERE): Promise<CountersignServer> {
  const command = join(checkout, 'scripts', 'countersign')
  const directory = await workDirectory('countersign')
  const data = join(directory, 'data')
  const port = await freePort()
  const env = {
    ...process.env,
    COUNTERSIGN_DATA_DIRECTORY: data,
    COUNTERSIGN_KEYS_DIRECTORY: join(directory, 'keys'),
    COUNTERSIGN_LISTEN_PORT: String(port),
    ...(tokens === undefined ? {} : await accessSettings(tokens, directory)),
  }
  const begin = (): ChildProcess => {
    const log = openSync(join(directory, 'log'), 'a')
    const child = start(command, ['serve', '--quiet'], { env, cwd: directory, stdio: ['ignore', log, log] })
    closeSync(log)
    return child
  }
  const fixed = {
    name: checkout === HERE ? 'countersign' : 'other',
    port,
    tokens,
    controlSocket: join(data, 'control.sock'),
    diskBytes: () => bytesIn(data),
    async createRepository(gun: string) {
      const file = join(directory, 'passphrase')
      await writeFile(file, 'nothing that is kept\n', { mode: 0o600 })
      await promisify(execFile)(command, ['repo', 'create', gun, '--passphrase-file', file], { env, cwd: directory })
    },
  } as const
  return contenderOver(fixed, begin, () => remove(directory))
}

async function accessSettings({ settings }: TokenService, directory: string): Promise<Record<string, string>> {
  const file = join(directory, 'tokens.crt')
  await writeFile(file, settings.bundle)
  return {
    COUNTERSIGN_ACCESS_MODE: 'external',
    COUNTERSIGN_ACCESS_REALM: settings.realm,
    COUNTERSIGN_ACCESS_SERVICE: settings.service,
    COUNTERSIGN_ACCESS_ISSUER: settings.issuer,
    COUNTERSIGN_ACCESS_CERTIFICATE_BUNDLE_FILE: file,
  }
}

/** Sums the sizes of a database's tables, some of which LevelDB may delete meanwhile. */
function bytesIn(directory: string): number {
  const sizes = readdirSync(directory).map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size)
  return sizes.reduce<number>((sum, size = 0) => sum + size, 0)
}
