import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tlsIdentity } from '../../test/support/go-server.ts'
import { answering, end, freePort, remove, start, workDirectory, type Contender } from './contender.ts'

export const NOTARY_SERVER = '/usr/bin/notary-server'

/** Why Go's server cannot be measured here; undefined if it can. */
export function notaryMissing(): string | undefined {
  return existsSync(NOTARY_SERVER) ? undefined : 'notary-server is not installed (Debian: apt-get install notary)'
}

/** Go's server with everything in its memory, keys too: nothing survives it. */
export async function startNotaryInMemory(): Promise<Contender> {
  const directory = await workDirectory('memory')
  const port = await freePort()
  const { certificate, key, ca } = tlsIdentity()
  await writeFile(join(directory, 'server.crt'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({
      server: { http_addr: `127.0.0.1:${port}`, tls_cert_file: './server.crt', tls_key_file: './server.key' },
      trust_service: { type: 'local', hostname: '', port: '', key_algorithm: 'ed25519' },
      // No line a request: in its favour.
      logging: { level: 'error' },
      storage: { backend: 'memory' },
    }),
  )
  const launch = async () => {
    const child = start(NOTARY_SERVER, ['-config', join(directory, 'config.json')], { cwd: directory })
    await answering(child, { port, ca })
    return child
  }
  let child = await launch()
  return {
    name: 'memory',
    port,
    ca,
    database: undefined,
    get pids() {
      return [child.pid ?? 0]
    },
    get alive() {
      return child.exitCode === null && child.signalCode === null
    },
    async restart() {
      await end(child)
      child = await launch()
    },
    async stop() {
      await end(child)
      await remove(directory)
    },
  }
}
