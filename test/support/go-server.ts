import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pem, issueCertificate } from './certificate.ts'
import { exchange, type Endpoint } from './exchange.ts'
import { freePort } from './free-port.ts'
import { makeKey } from './test-key.ts'
import { until } from './until.ts'

const BINARY = '/usr/bin/notary-server'
export const NOTARY = '/usr/bin/notary'

/** Returns why the Go server cannot run here; undefined if it can. */
export function goServerMissing(): string | undefined {
  return existsSync(BINARY) && existsSync(NOTARY) ? undefined : 'notary-server and notary are not installed'
}

export interface GoServer extends Endpoint {
  readonly directory: string
  readonly caFile: string
  stop(): Promise<void>
}

/** Starts the reference implementation, in memory, over TLS: it judges our own test publisher and client. */
export async function startGoServer(): Promise<GoServer> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-go-'))
  const { certificate, key, ca } = tlsIdentity()
  const port = await freePort()
  const caFile = join(directory, 'ca.crt')
  await writeFile(caFile, ca)
  await writeFile(join(directory, 'server.crt'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
  const config = {
    server: { http_addr: `127.0.0.1:${port}`, tls_cert_file: './server.crt', tls_key_file: './server.key' },
    trust_service: { type: 'local', hostname: '', port: '', key_algorithm: 'ed25519' },
    logging: { level: 'error' },
    storage: { backend: 'memory' },
  }
  await writeFile(join(directory, 'config.json'), JSON.stringify(config))
  const child = spawn(BINARY, ['-config', join(directory, 'config.json')], { cwd: directory, stdio: 'ignore' })
  const endpoint = { url: `https://localhost:${port}`, ca }
  await answering(child, endpoint)
  const stop = async (): Promise<void> => {
    const exited = once(child, 'exit')
    child.kill()
    await exited
    await rm(directory, { recursive: true })
  }
  return { ...endpoint, directory, caFile, stop }
}

/** Makes a certificate authority, and a server certificate for localhost. */
export function tlsIdentity(): { certificate: string; key: string; ca: string } {
  const authority = makeKey('ecdsa')
  const server = makeKey('ecdsa')
  const life = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 86_400_000 }
  const issuer = 'countersign test authority'
  return {
    ca: issueCertificate({
      commonName: issuer,
      publicKey: authority.publicKey,
      signer: authority.privateKey,
      ca: true,
      ...life,
    }),
    certificate: issueCertificate({
      commonName: 'localhost',
      publicKey: server.publicKey,
      signer: authority.privateKey,
      issuer,
      hosts: ['localhost', '127.0.0.1'],
      ...life,
    }),
    key: pem('PRIVATE KEY', server.privateKey.export({ type: 'pkcs8', format: 'der' })),
  }
}

async function answering(child: ChildProcess, endpoint: Endpoint): Promise<void> {
  await until('an answer of notary-server', () => {
    if (child.exitCode !== null) throw new Error(`notary-server ended with ${child.exitCode}`)
    return exchange(endpoint, { path: '/v2/' }).then(
      () => true,
      () => false,
    )
  })
}
