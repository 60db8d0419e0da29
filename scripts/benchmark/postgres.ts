import { execFileSync } from 'node:child_process'
import { chownSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { end, freePort, remove, start, workDirectory } from './contender.ts'

const BINARIES = '/usr/lib/postgresql/15/bin'
const START_TRIES = 200

/** Returns why PostgreSQL cannot run here; undefined if it can. */
export function postgresMissing(): string | undefined {
  return existsSync(join(BINARIES, 'postgres'))
    ? undefined
    : 'PostgreSQL 15 is not installed (Debian: apt-get install postgresql)'
}

/** A cluster of our own in a temporary directory, with Debian's default settings: durable. */
interface Postgres {
  readonly pid: number
  url(database: string): string
  run(database: string, sql: string): void
  /** Size of all databases on disk. */
  bytes(): number
  stop(): Promise<void>
}

export async function startPostgres(): Promise<Postgres> {
  const directory = await workDirectory('postgresql')
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined
  if (user !== undefined) chownSync(directory, user.uid, user.gid)
  const port = await freePort()
  const options = { ...user, cwd: directory, stdio: 'ignore' as const }
  const cluster = join(directory, 'cluster')
  execFileSync(join(BINARIES, 'initdb'), ['-D', cluster, '-U', 'notary', '-A', 'trust', '-E', 'UTF8'], options)
  const places = ['-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${directory}`]
  const child = start(join(BINARIES, 'postgres'), ['-D', cluster, ...places], options)
  const psql = (database: string, sql: string): string => {
    const where = ['-h', '127.0.0.1', '-p', String(port), '-U', 'notary', '-d', database]
    const args = [...where, '-q', '-t', '-v', 'ON_ERROR_STOP=1', '-c', sql]
    return execFileSync(join(BINARIES, 'psql'), args, {
      ...user,
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  }
  for (let tries = 1; ; tries += 1) {
    try {
      psql('postgres', 'SELECT 1')
      break
    } catch (error) {
      if (tries === START_TRIES || child.exitCode !== null) throw error
      await sleep(50)
    }
  }
  return {
    pid: child.pid ?? 0,
    url: (database) => `postgres://notary@127.0.0.1:${port}/${database}?sslmode=disable`,
    run: (database, sql) => void psql(database, sql),
    bytes: () => Number(psql('postgres', 'SELECT sum(pg_database_size(oid)) FROM pg_database')),
    async stop() {
      // Fast shutdown: ends connections.
      await end(child, 'SIGINT')
      await remove(directory)
    },
  }
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
}
