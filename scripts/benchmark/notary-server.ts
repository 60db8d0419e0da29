import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tlsIdentity } from '../../test/support/go-server.ts'
import type { Target } from './connection.ts'
import { contenderOver, end, freePort, remove, start, workDirectory, type Contender } from './contender.ts'
import { SERVER_SCHEMA, SIGNER_SCHEMA } from './notary-schema.ts'
import { startPostgres } from './postgres.ts'
import type { TokenService } from './token-service.ts'

const SERVER = '/usr/bin/notary-server'
const SIGNER = '/usr/bin/notary-signer'
const PASSPHRASE = 'nothing that is kept'

/** Returns why Go's server cannot be measured here; undefined if it can. */
export function notaryMissing(): string | undefined {
  return existsSync(SERVER) && existsSync(SIGNER)
    ? undefined
    : 'notary is not installed (Debian: apt-get install notary)'
}

/** The parts of a server's configuration for keys and storage. */
interface Parts {
  readonly trust_service: object
  readonly storage: object
}

/** Starts Go's server with everything in memory, even keys: nothing survives it. */
export async function startNotaryInMemory(tokens?: TokenService): Promise<Contender> {
  const directory = await workDirectory('memory')
  const trust = { type: 'local', hostname: '', port: '', key_algorithm: 'ed25519' }
  const { target, begin } = await serverIn(directory, tokens, {
    trust_service: trust,
    storage: { backend: 'memory' },
  })
  return contenderOver({ name: 'memory', ...target, diskBytes: () => undefined }, begin, () => remove(directory))
}

/** Starts Go's server as people run it: with a signer, both over PostgreSQL, all on this machine. */
export async function startNotaryOverPostgres(tokens?: TokenService): Promise<Contender> {
  const directory = await workDirectory('postgres')
  const postgres = await startPostgres()
  postgres.run('postgres', 'CREATE DATABASE notaryserver')
  postgres.run('postgres', 'CREATE DATABASE notarysigner')
  postgres.run('notaryserver', SERVER_SCHEMA)
  postgres.run('notarysigner', SIGNER_SCHEMA)
  const { certificate, key, ca } = tlsIdentity()
  const port = await freePort()
  await writeFile(join(directory, 'signer.crt'), certificate)
  await writeFile(join(directory, 'signer.key'), key, { mode: 0o600 })
  await writeFile(join(directory, 'signer-ca.crt'), ca)
  const store = (database: string): object => ({ backend: 'postgres', db_url: postgres.url(database) })
  await writeConfiguration(directory, 'signer.json', {
    server: { grpc_addr: `127.0.0.1:${port}`, tls_cert_file: './signer.crt', tls_key_file: './signer.key' },
    storage: { ...store('notarysigner'), default_alias: 'bench' },
  })
  const env = { ...process.env, NOTARY_SIGNER_BENCH: PASSPHRASE }
  const signer = start(SIGNER, ['-config', join(directory, 'signer.json')], { cwd: directory, env })
  const remote = {
    type: 'remote',
    hostname: 'localhost',
    port: String(port),
    key_algorithm: 'ecdsa',
    tls_ca_file: './signer-ca.crt',
  }
  const { target, begin } = await serverIn(directory, tokens, {
    trust_service: remote,
    storage: store('notaryserver'),
  })
  const fixed = { name: 'postgres', ...target, diskBytes: () => postgres.bytes() } as const
  const cleanUp = async (): Promise<void> => {
    await end(signer)
    await postgres.stop()
    await remove(directory)
  }
  return contenderOver(fixed, begin, cleanUp, [signer.pid ?? 0, postgres.pid])
}

interface Server {
  readonly target: Target
  readonly begin: () => ChildProcess
}

/** Writes a server's files. */
async function serverIn(directory: string, tokens: TokenService | undefined, parts: Parts): Promise<Server> {
  const { certificate, key } = tlsIdentity()
  const port = await freePort()
  await writeFile(join(directory, 'server.crt'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
  const listener = { http_addr: `127.0.0.1:${port}`, tls_cert_file: './server.crt', tls_key_file: './server.key' }
  const auth = tokens === undefined ? {} : await tokenAuth(tokens, directory)
  await writeConfiguration(directory, 'server.json', { server: listener, ...parts, ...auth })
  return {
    target: { port, tokens },
    begin: () => start(SERVER, ['-config', join(directory, 'server.json')], { cwd: directory }),
  }
}

async function tokenAuth({ settings }: TokenService, directory: string): Promise<{ auth: object }> {
  const { realm, service, issuer, bundle } = settings
  const rootcertbundle = join(directory, 'tokens.crt')
  await writeFile(rootcertbundle, bundle)
  return { auth: { type: 'token', options: { realm, service, issuer, rootcertbundle } } }
}

/** Turns off the log line for each request, in Go's favour. */
async function writeConfiguration(directory: string, name: string, content: object): Promise<void> {
  await writeFile(join(directory, name), JSON.stringify({ ...content, logging: { level: 'error' } }))
}
